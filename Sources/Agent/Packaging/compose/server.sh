#!/bin/sh
# Runs once, when the server's data directory is made: a role for backups, and its way in.
set -eu
psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -v password="$BACKUP_PASSWORD" <<'END'
CREATE ROLE backup LOGIN REPLICATION PASSWORD :'password';
GRANT pg_monitor TO backup;
END
echo "host replication backup all scram-sha-256" >>"$PGDATA/pg_hba.conf"
