#!/bin/sh
# The whole story in one go: a live server with a write load is protected, loses a table by
# accident, and gets it back as of just before, with the proof. Everything happens in one scratch
# directory that is removed at the end; servers listen on Unix sockets in it only.
set -eu
cd "$(dirname "$0")/../.."

pgkeep=${PGKEEP_BINARY:-$PWD/.build/release/pgkeep}
servers=${PGKEEP_TEST_SERVERS:-}
[ -n "$servers" ] || {
    if [ "$(id -u)" = 0 ]; then servers=/var/lib/pgkeep-test-servers
    else servers=${XDG_CACHE_HOME:-$HOME/.cache}/pgkeep-test-servers
    fi
}
bin=$servers/18/bin

# root cannot run PostgreSQL, so root plays the user postgres.
drop=
[ "$(id -u)" != 0 ] || drop="setpriv --reuid=postgres --regid=postgres --init-groups --"
as_user() { $drop "$@"; }

scratch=$(mktemp -d /tmp/pgkeep-demo.XXXXXX)
[ "$(id -u)" = 0 ] && chown postgres: "$scratch"
# A clone may lie where postgres cannot read; the binary is all it needs of it.
cp "$pgkeep" "$scratch/pgkeep"
chmod 755 "$scratch/pgkeep"
export HOME="$scratch" PGKEEP_VAULT="$scratch/vault" PGKEEP_KEY_FILE="$scratch/vault.key"
unset PGKEEP_CONFIG PGKEEP_PASSPHRASE PGKEEP_PASSPHRASE_FILE PGKEEP_PASSPHRASE_COMMAND 2>/dev/null || :
export PGOPTIONS= PGHOST="$scratch" PGPORT=54331 PGUSER=postgres PGDATABASE=postgres
streamer= load=

cleanup() {
    status=$?
    trap - EXIT INT TERM
    for process in $load $streamer; do kill "$process" 2>/dev/null || :; done
    for process in $load $streamer; do wait "$process" 2>/dev/null || :; done
    for data in copy source; do
        [ ! -e "$scratch/$data/postmaster.pid" ] \
            || as_user "$bin/pg_ctl" stop -D "$scratch/$data" -m immediate -s || :
    done
    if [ $status -ne 0 ] && [ -e "$scratch/copy/pgkeep-recovery.log" ]; then
        tail -n 20 "$scratch/copy/pgkeep-recovery.log" >&2
    fi
    rm -rf "$scratch"
    [ $status -eq 0 ] || echo "demo: failed" >&2
    exit $status
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
run() { printf "$ %s\n" "$(echo "$*" | sed "s|$scratch/||g")"; as_user "$@" 2>&1; }
sql() { as_user "$bin/psql" -XqAt -v ON_ERROR_STOP=1 "$@"; }
begun=$(date +%s)

say "A throw-away PostgreSQL 18 with a write load"
as_user "$bin/initdb" -D "$scratch/source" -U postgres -A trust --no-sync >/dev/null
cat >>"$scratch/source/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$scratch'
port = $PGPORT
CONF
as_user "$bin/pg_ctl" start -w -s -D "$scratch/source" -l "$scratch/source.log"
as_user "$bin/pgbench" -i -q -s 20 2>/dev/null
sql -c "CREATE TABLE customers AS SELECT i AS id, md5(i::text) AS name
        FROM generate_series(1, 50000) i"
# Without the function in between, $! is the program itself and not a shell in front of it.
$drop "$bin/pgbench" -n -c 2 -T 600 >/dev/null 2>&1 &
load=$!
echo "pgbench writes; customers has $(sql -c 'SELECT count(*) FROM customers') rows"

say "A vault, and the instance protected by it"
run "$scratch/pgkeep" vault init "$PGKEEP_VAULT"
run "$scratch/pgkeep" instance add shop --source "host=$scratch port=$PGPORT user=postgres"
$drop "$scratch/pgkeep" wal stream shop -q &
streamer=$!
sleep 3

say "The accident"
sql -c "UPDATE customers SET name = 'last words' WHERE id = 1"
before=$(sql -c "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
sleep 1
sql -c "DROP TABLE customers"
echo "customers dropped; it was still there at $before"
sleep 2

say "What can be restored"
run "$scratch/pgkeep" wal status shop
run "$scratch/pgkeep" window show shop
run "$scratch/pgkeep" restore plan shop --time "$before"

say "A copy as of just before, recovered and started"
run "$scratch/pgkeep" restore start shop --to-dir "$scratch/copy" --time "$before" \
    --run --port 54332 --pg-bin "$bin"

say "The proof"
export PGHOST="$scratch/copy" PGPORT=54332
rows=$(sql -c "SELECT count(*) FROM customers")
words=$(sql -c "SELECT name FROM customers WHERE id = 1")
sums=$(sql -c "SELECT (SELECT sum(abalance) FROM pgbench_accounts),
                      (SELECT sum(bbalance) FROM pgbench_branches),
                      (SELECT sum(tbalance) FROM pgbench_tellers),
                      (SELECT sum(delta) FROM pgbench_history)")
echo "customers in the copy: $rows rows, the last update says '$words'"
echo "pgbench's sums of accounts, branches, tellers and history: $sums"
[ "$rows" = 50000 ] && [ "$words" = "last words" ]
[ "$(echo "$sums" | tr '|' '\n' | sort -u | wc -l)" = 1 ]
echo "they agree; the demo took $(($(date +%s) - begun)) seconds"
