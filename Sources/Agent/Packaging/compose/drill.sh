#!/bin/sh
# The restore drill of a build: waits for something to restore, restores the newest state into a
# fresh server, has it checked, and ends with the drill's exit code.
set -eu
tries=${TRIES:-120}
until pgkeep window show main --json 2>/dev/null | grep -q '"earliest"'; do
    tries=$((tries - 1))
    if [ $tries -le 0 ]; then
        echo "drill: there is nothing to restore" >&2
        pgkeep status >&2 || :
        exit 7
    fi
    sleep 5
done
exec pgkeep drill run main "$@"
