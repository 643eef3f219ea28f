#!/bin/sh
# Writes for ever, some tens of transactions a second.
set -eu
psql -qc "select 1 from pgbench_history limit 1" >/dev/null 2>&1 || pgbench -qi -s "${SCALE:-5}"
while :; do
    pgbench -n -c 2 -R "${RATE:-40}" -T 3600 || sleep 5
done
