"""The scratch server: its data, its WAL and the questions asked about it."""

import os
import subprocess
import time

from measure import environment, run, server_user

SCHEMA = """
create table documents (
    id bigint primary key, body jsonb not null, note text not null, changed timestamptz);
"""

# Half of each row are random hashes, which no compressor shrinks below half their size; the rest
# repeats, as field names and words of real documents do.
DOCUMENTS = """
insert into documents
select n, jsonb_build_object(
        'customer', n % 5000, 'status', (array['open','paid','sent','void'])[1 + n % 4],
        'token', md5(random()::text), 'digest', md5(random()::text) || md5(n::text),
        'tags', jsonb_build_array('invoice', 'region-' || n % 40, 'tier-' || n % 3)),
    'order ' || n || ' was placed in shop ' || n % 300 || ' and is to be handled with care '
        || md5(random()::text), now()
from generate_series({first}, {last}) n;
"""

# Touches one row on each page of a random share of a table's pages, and nothing else: no index, no
# other page. Rows that earlier rounds deleted are met again rarely enough.
TOUCH = """
with doomed as (
    select ('(' || block || ',1)')::tid as place from generate_series(0, {pages} - 1) block
    where random() < {share})
, gone as (delete from {table} where ctid = any (array(select place from doomed)) returning 1)
select count(*) from gone;
"""

# One round of change: scattered updates (full pages after a checkpoint), appends, deletes.
CHANGES = """
update pgbench_accounts set abalance = abalance + 1 where aid % 97 = {round} % 97;
update documents set changed = now(), note = md5(random()::text) where id % 89 = {round} % 89;
insert into pgbench_history (tid, bid, aid, delta, mtime)
    select n % 10, n % 10, n, n % 1000, now() from generate_series(1, 50000) n;
"""


class Server:
    """A PostgreSQL server below `directory`, running until `stop`."""

    def __init__(self, binaries, directory, port):
        self.binaries = binaries
        self.data = f"{directory}/data"
        self.socket = f"{directory}/socket"
        self.log = f"{directory}/server.log"
        self.port = port
        self.process = None

    @property
    def conninfo(self):
        return f"host={self.socket} port={self.port} user=postgres dbname=postgres"

    def program(self, name):
        return f"{self.binaries}/{name}"

    @property
    def major(self):
        return int(run([self.program("postgres"), "--version"]).split()[2].split(".")[0])

    def create(self):
        run([self.program("initdb"), "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--locale", "C.UTF-8", "--data-checksums", "--no-sync"])
        run(["mkdir", "-p", self.socket])
        settings = {
            "listen_addresses": "''", "unix_socket_directories": f"'{self.socket}'",
            "port": self.port, "shared_buffers": "'512MB'", "wal_level": "replica",
            "archive_mode": "on", "archive_command": "'true'", "max_wal_size": "'8GB'",
            "checkpoint_timeout": "'1h'", "max_replication_slots": 20, "max_wal_senders": 20,
            "autovacuum": "off", "fsync": "off", "log_checkpoints": "off",
        }
        if self.major >= 17:
            settings["summarize_wal"] = "on"
        lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
        with open(f"{self.data}/postgresql.conf", "a") as configuration:
            configuration.write(lines)

    def start(self):
        log = open(self.log, "ab")
        self.process = subprocess.Popen(
            [self.program("postgres"), "-D", self.data], cwd="/", env=environment(),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, **server_user())
        for _ in range(600):
            if subprocess.run([self.program("pg_isready"), "-q", "-d", self.conninfo],
                              env=environment()).returncode == 0:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise SystemExit(f"bench: the scratch server did not start, see {self.log}")

    def stop(self):
        if self.process is not None:
            self.process.send_signal(3)
            self.process.wait()
            self.process = None

    def sql(self, text):
        return run([self.program("psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.conninfo,
                    "-c", text])

    def load(self, scale):
        """About 29 MB for each `scale`: pgbench tables and as much again in documents."""
        run([self.program("pgbench"), "-i", "-q", "-s", str(scale), self.conninfo])
        self.sql(SCHEMA)
        rows = scale * 28_000
        self.sql(DOCUMENTS.format(first=1, last=rows))
        self.sql("vacuum freeze analyze")
        self.sql("checkpoint")

    def bytes(self):
        return int(self.sql("select sum(pg_database_size(oid)) from pg_database"))

    def make_wal(self, size, number):
        """Writes `size` bytes of WAL and switches segments; returns first and last segment."""
        self.sql("select pg_switch_wal()")
        self.sql("checkpoint")
        begin = self.sql("select pg_current_wal_lsn()")
        first = self.sql("select pg_walfile_name(pg_current_wal_lsn())")
        written = 0
        while written < size:
            number += 1
            self.sql(CHANGES.format(round=number))
            written = int(self.sql(f"select pg_current_wal_lsn() - '{begin}'"))
        last = self.sql("select pg_walfile_name(pg_current_wal_lsn())")
        end = self.sql("select pg_switch_wal()")
        return {"first": first, "last": last, "end": end, "bytes": written, "number": number}

    def touch(self, share):
        """Changes about that share of the large tables' pages at random; returns how many."""
        touched = 0
        for table in ("pgbench_accounts", "documents"):
            pages = int(self.sql(f"select pg_relation_size('{table}') / 8192"))
            touched += int(self.sql(TOUCH.format(table=table, pages=pages, share=share)))
        return touched

    def set(self, name, value):
        self.sql(f"alter system set {name} = '{value}'")
        self.sql("select pg_reload_conf()")

    def ready_segments(self):
        """Segments that wait to be archived, oldest first."""
        status = f"{self.data}/pg_wal/archive_status"
        return sorted(name[:-6] for name in os.listdir(status)
                      if name.endswith(".ready") and len(name) == 30)

    def mark_archived(self):
        status = f"{self.data}/pg_wal/archive_status"
        for name in self.ready_segments():
            os.rename(f"{status}/{name}.ready", f"{status}/{name}.done")
