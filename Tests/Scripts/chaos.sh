#!/bin/sh
# The agents' chaos run; see Tests/Scripts/chaos/main.py for what it does and its CHAOS_ variables.
set -eu
cd "$(dirname "$0")/../.."
[ "${CHAOS_SECONDS:-1800}" != 0 ] || { echo "chaos: left out (CHAOS_SECONDS=0)"; exit 0; }
if [ -z "${PGKEEP_TEST_SERVERS:-}" ]; then
    if [ "$(id -u)" = 0 ]; then PGKEEP_TEST_SERVERS=/var/lib/pgkeep-test-servers
    else PGKEEP_TEST_SERVERS=${XDG_CACHE_HOME:-$HOME/.cache}/pgkeep-test-servers
    fi
fi

programs() {
    for bin in "/usr/lib/postgresql/$1/bin" "$PGKEEP_TEST_SERVERS/$1/bin"; do
        [ ! -x "$bin/postgres" ] || { echo "$bin"; return; }
    done
    echo "chaos: no PostgreSQL $1" >&2
    exit 1
}

CHAOS_SERVERS=alone=$(programs "${CHAOS_MAJOR:-15}"),pair=$(programs 18)
PGKEEP_BINARY=${PGKEEP_BINARY:-$PWD/.build/release/pgkeep}
CHAOS_CLOCK_LIBRARY=$PWD/.build/stepclock.so
# The Swift toolchain brings clang.
clang -shared -fPIC -O2 -Wall -Wextra -o "$CHAOS_CLOCK_LIBRARY" Tests/Scripts/chaos/stepclock.c
export CHAOS_SERVERS CHAOS_CLOCK_LIBRARY PGKEEP_BINARY
export LD_LIBRARY_PATH= PYTHONPATH=$PWD/Tests/Scripts/bench
exec python3 -u Tests/Scripts/chaos/main.py
