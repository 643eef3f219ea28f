#!/bin/sh
# Adds the server as the instance "main", once, and keeps it protected.
set -eu
pgkeep instance show main --quiet >/dev/null 2>&1 \
    || pgkeep instance add main --source "$SOURCE" --no-initial-backup
exec pgkeep agent run --listen "${LISTEN:-0.0.0.0:9931}" --token-file "$TOKEN_FILE"
