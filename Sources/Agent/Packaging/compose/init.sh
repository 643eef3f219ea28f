#!/bin/sh
# Makes the vault, its key and the token of the agent's HTTP interface, each once.
#
# The key lies in a volume of its own that only what reads the vault gets; the token can be read by
# the group, too, so that who scrapes the agent gets that and nothing else.
set -eu
umask 077
if [ ! -e "$TOKEN_FILE" ]; then
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$TOKEN_FILE.new"
    chmod 440 "$TOKEN_FILE.new"
    mv "$TOKEN_FILE.new" "$TOKEN_FILE"
fi
if pgkeep vault key list --quiet >/dev/null 2>&1; then
    echo "the vault is there"
else
    pgkeep vault init "$PGKEEP_VAULT" --key-file "$PGKEEP_KEY_FILE"
fi
