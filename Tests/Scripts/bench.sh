#!/bin/sh
# Fetches the peers and runs Tests/Scripts/bench/main.py, or with `soak` bench/soak.py, which needs
# none. See there for the BENCH_ and SOAK_ variables.
set -eu
cd "$(dirname "$0")/../.."
major=${BENCH_MAJOR:-18}
if [ -z "${PGKEEP_TEST_SERVERS:-}" ]; then
    if [ "$(id -u)" = 0 ]; then PGKEEP_TEST_SERVERS=/var/lib/pgkeep-test-servers
    else PGKEEP_TEST_SERVERS=${XDG_CACHE_HOME:-$HOME/.cache}/pgkeep-test-servers
    fi
fi

BENCH_SERVER_BIN=/usr/lib/postgresql/$major/bin
[ -x "$BENCH_SERVER_BIN/postgres" ] || BENCH_SERVER_BIN=$PGKEEP_TEST_SERVERS/$major/bin
[ -x "$BENCH_SERVER_BIN/postgres" ] || { echo "bench: no PostgreSQL $major" >&2; exit 1; }

PGKEEP_BINARY=${PGKEEP_BINARY:-$PWD/.build/release/pgkeep}
export BENCH_SERVER_BIN PGKEEP_BINARY
export LD_LIBRARY_PATH=
if [ "${1:-}" = soak ]; then exec python3 -u Tests/Scripts/bench/soak.py; fi

# The peers are of other Debian releases than this machine may be, so they are unpacked beside:
# bookworm's own pgBackRest has no block incremental.
peers=$PGKEEP_TEST_SERVERS/peers
if [ ! -x "$peers/pgbackrest/usr/bin/pgbackrest" ]; then
    echo "bench: fetching pgBackRest from Debian trixie" >&2
    Tests/Scripts/debian-fetch.sh trixie "$peers/pgbackrest" pgbackrest libssh2-1t64
fi
BENCH_PGBACKREST=$peers/pgbackrest/usr/bin/pgbackrest

# The servers of the wheel are built without LZ4; Debian's clients have it. A newer client serves
# older servers, and brings the C library it was built for.
if ldd "$BENCH_SERVER_BIN/pg_basebackup" | grep -q liblz4; then
    BENCH_CLIENT=
    BENCH_CLIENT_BIN=$BENCH_SERVER_BIN
else
    clients=$peers/clients
    if [ ! -x "$clients/usr/lib/postgresql/18/bin/pg_basebackup" ]; then
        echo "bench: fetching PostgreSQL's client programs from Debian forky" >&2
        Tests/Scripts/debian-fetch.sh forky "$clients" postgresql-client-18 libpq5 libc6 \
            libssl3t64 liblz4-1 libzstd1 zlib1g libldap2 libsasl2-2 libgssapi-krb5-2 libkrb5-3 \
            libk5crypto3 libkrb5support0 libcom-err2 libkeyutils1
    fi
    libraries=$clients/usr/lib/$(uname -m)-linux-gnu
    BENCH_CLIENT="$(echo "$libraries"/ld-linux*) --library-path $libraries"
    BENCH_CLIENT_BIN=$clients/usr/lib/postgresql/18/bin
fi
export BENCH_PGBACKREST BENCH_CLIENT BENCH_CLIENT_BIN
exec python3 -u Tests/Scripts/bench/main.py
