#!/bin/sh
# debian-fetch.sh SUITE DIRECTORY PACKAGE...
# Unpacks packages of another Debian release into DIRECTORY. Nothing is installed and the system's
# apt is left as it is: lists and cache are kept below .build.
set -eu
suite=$1 directory=$2
shift 2
cd "$(dirname "$0")/../.."

apt=$PWD/.build/apt-$suite
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e $keyring ] || { echo "debian-fetch: $keyring is missing (not Debian?)" >&2; exit 1; }
mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/archives"
: >"$apt/status"
echo "deb [signed-by=$keyring] http://deb.debian.org/debian $suite main" >"$apt/sources.list"
cat >"$apt/apt.conf" <<END
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
APT::Sandbox::User "root";
END
export APT_CONFIG="$apt/apt.conf"
[ -n "$(find "$apt/state/lists" -name '*Packages' -mmin -1440 2>/dev/null)" ] \
    || apt-get -qq update
cd "$apt/archives"
for package in "$@"; do
    rm -f "$package"_*.deb
    apt-get -qq download "$package"
done
umask 022
mkdir -p "$directory"
for package in "$@"; do dpkg-deb -x "$package"_*.deb "$directory"; done
