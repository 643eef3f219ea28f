#!/bin/sh
# install.sh install|uninstall: puts pgkeep below $DESTDIR$PREFIX, or takes it away again.
#
# What it made, directories too, is noted in share/pgkeep/installed, so that an uninstall leaves
# nothing of it and touches nothing else. PROGRAM and SHARE name what was built.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
DESTDIR=${DESTDIR:-}
PREFIX=${PREFIX:-/usr/local}
root=$DESTDIR$PREFIX
[ -z "$DESTDIR" ] || mkdir -p "$DESTDIR"
list=$root/share/pgkeep/installed

# Paths are noted without DESTDIR: a package is built in one place and removed from another.
note() {
    grep -qxF "$1" "$list.new" 2>/dev/null || printf '%s\n' "$1" >>"$list.new"
}

# Makes a directory and its parents, noting those that were not there.
directory() {
    if [ -d "$DESTDIR$1" ]; then return 0; fi
    directory "$(dirname "$1")"
    mkdir "$DESTDIR$1"
    made="$made$1
"
}

# put MODE SOURCE TARGET
put() {
    directory "$(dirname "$3")"
    install -m "$1" "$2" "$DESTDIR$3"
    files="$files$3
"
}

# A unit: the program's place filled in, and the sandbox that all share.
unit() {
    sed -e "s|@PREFIX@|$PREFIX|" -e "/@SANDBOX@/{
r $here/systemd/sandbox.conf
d
}" "$here/systemd/$1" >"$scratch/$1"
    put 644 "$scratch/$1" "$PREFIX/lib/systemd/system/$1"
}

install_all() {
    files= made=
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    directory "$PREFIX/share/pgkeep"
    if [ -f "$list" ]; then cp "$list" "$list.new"; else : >"$list.new"; fi
    put 755 "$PROGRAM" "$PREFIX/bin/pgkeep"
    (cd "$SHARE" && find . -type f) >"$scratch/shared"
    while read -r name; do
        put 644 "$SHARE/$name" "$PREFIX/share/${name#./}"
    done <"$scratch/shared"
    for path in "$here"/systemd/*.service "$here"/systemd/*.timer; do unit "${path##*/}"; done
    put 644 "$here/systemd/sysusers.conf" "$PREFIX/lib/sysusers.d/pgkeep.conf"
    put 644 "$here/config.yaml" "$PREFIX/share/pgkeep/config.yaml"
    for name in prometheus.yml pgkeep.rules.yml dashboard.json; do
        put 644 "$here/monitoring/$name" "$PREFIX/share/pgkeep/$name"
    done
    # Directories first: they are removed last.
    printf '%s' "$made$files" | while read -r path; do note "$path"; done
    mv "$list.new" "$list"
}

uninstall_all() {
    if [ ! -f "$list" ]; then
        echo "nothing is installed below $root" >&2
        return 0
    fi
    copy=$(mktemp)
    trap 'rm -f "$copy"' EXIT
    # Last made, first removed.
    sed -n '1!G;h;$p' "$list" >"$copy"
    rm -f "$list"
    while read -r path; do
        if [ -d "$DESTDIR$path" ]; then
            rmdir "$DESTDIR$path" 2>/dev/null || :
        else
            rm -f "$DESTDIR$path"
        fi
    done <"$copy"
}

case ${1:-} in
    install) install_all ;;
    uninstall) uninstall_all ;;
    *) echo "usage: install.sh install|uninstall" >&2; exit 64 ;;
esac
