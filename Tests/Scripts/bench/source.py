"""What streaming costs its server: pgbench beside each streamer in turn, and the lag at 50 MB/s."""

import os
import re
import shutil
import statistics
import subprocess
import time

from measure import environment, run, server_user
from report import MIB, ratio, rotated

CLIENTS = 4

# Bytes no compressor shrinks much, ready to be copied into WAL: making them must not be what the
# server is busy with.
PAYLOAD = """
create table payload (id int primary key, body text not null);
alter table payload alter body set storage external;
insert into payload select n, (select string_agg(md5(random()::text || n || k), '')
    from generate_series(1, {words}) k) from generate_series(1, 64) n;
"""

# A transaction of pgbench's own kind that also writes as much WAL as a row with a document does.
LOAD = """
\\set aid random(1, 100000 * :scale)
\\set id random(1, 64)
begin;
update pgbench_accounts set abalance = abalance + 1 where aid = :aid;
select pg_logical_emit_message(true, 'bench', left(body, {bytes})) from payload where id = :id;
end;
"""


class Streamer:
    """A program that streams WAL until it is ended."""

    def __init__(self, name, command, extra, application):
        self.name, self.command, self.extra = name, command, extra
        self.application = application
        self.process = None

    def start(self, server):
        if self.command is None:
            return
        self.process = subprocess.Popen(
            self.command, cwd="/", env=environment(self.extra), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **server_user())
        for _ in range(600):
            if self.position(server) is not None:
                return
            time.sleep(0.1)
        raise SystemExit(f"bench: {self.name} does not stream")

    def position(self, server):
        """(bytes, seconds) it is behind; None while it does not stream."""
        row = server.sql(
            "select coalesce(pg_wal_lsn_diff(pg_current_wal_flush_lsn(), flush_lsn), 0),"
            " coalesce(extract(epoch from flush_lag), 0) from pg_stat_replication"
            f" where application_name = '{self.application}' and state = 'streaming'")
        return tuple(float(value) for value in row.split("|")) if row else None

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None


class Source:
    """The measurement; `bench` gives the server, the tools and the settings."""

    def __init__(self, bench):
        self.server = bench.server
        self.directory = bench.directory
        self.runs = bench.runs
        self.scale = int(os.environ.get("BENCH_SCALE") or 70)
        self.seconds = int(os.environ.get("BENCH_LOAD_SECONDS") or 20)
        self.wal = int(os.environ.get("BENCH_WAL_MB") or 1024) * MIB
        self.archive = f"{self.directory}/source-receivewal"
        receivewal = bench.client("pg_receivewal") + [
            "-d", f"{self.server.conninfo} application_name=bench_receivewal", "-D", self.archive,
            "-S", "bench_source", "--no-loop"]
        self.streamers = [
            Streamer("no streamer", None, None, ""),
            # Durable before it says so, as pgkeep is; without, it syncs whole segments only.
            Streamer("pg_receivewal --synchronous", receivewal + ["--synchronous"], None,
                     "bench_receivewal"),
            Streamer("pg_receivewal", receivewal, None, "bench_receivewal"),
        ]
        if hasattr(bench, "pgkeep"):
            own = bench.pgkeep.beside("source-vault", "source")
            own.prepare()
            self.streamers.append(Streamer(
                "pgkeep wal stream", [own.binary, "wal", "stream", "source"], own.environment,
                "pgkeep"))

    def main(self):
        self.server.sql(PAYLOAD.format(words=2048))
        self.server.sql("select pg_create_physical_replication_slot('bench_source', true)")
        run(["mkdir", "-p", self.archive])
        self.server.set("archive_command", "true")
        self.throughput()
        self.lag()

    def pgbench(self, bytes, *arguments):
        """Starts pgbench with transactions that write so many bytes each."""
        script = f"{self.directory}/load-{bytes}.sql"
        with open(script, "w") as file:
            file.write(LOAD.format(bytes=bytes))
        os.chmod(script, 0o644)
        command = [self.server.program("pgbench"), "-n", "-c", str(CLIENTS), "-j", "1", "-f", script,
                   "-D", f"scale={self.scale}", *arguments, self.server.conninfo]
        return subprocess.Popen(command, cwd="/", env=environment(), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                **server_user())

    def end(self, load):
        output = load.communicate()[0]
        found = re.search(r"tps = ([0-9.]+)", output)
        if not found:
            raise SystemExit(f"bench: pgbench: {output}")
        return float(found.group(1))

    def reset(self):
        shutil.rmtree(self.archive, ignore_errors=True)
        run(["mkdir", "-p", self.archive])
        self.server.sql("checkpoint")

    def written(self):
        return float(self.server.sql("select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"))

    def throughput(self):
        rates = {streamer: [] for streamer in self.streamers}
        wal = []
        # Neighbours of the machine come and go; against the next run they weigh less.
        runs = max(self.runs, 5)
        transactions = self.wal // CLIENTS // 16_800
        for round in range(runs):
            for streamer in rotated(self.streamers, round):
                self.reset()
                streamer.start(self.server)
                before = self.written()
                rates[streamer].append(self.end(self.pgbench(16_384, "-t", str(transactions))))
                wal.append(self.written() - before)
                streamer.stop()
        print(f"\nthroughput of pgbench beside a streamer, median of {runs},"
              f" {statistics.median(wal) / MIB:.0f} MiB of WAL in each")
        for streamer in self.streamers:
            print(f"  {streamer.name:32} {statistics.median(rates[streamer]):8.0f} tps")
        own = self.streamers[-1]
        if not own.name.startswith("pgkeep"):
            return
        for peer in self.streamers[1:-1]:
            lost = statistics.median(1 - a / b for a, b in zip(rates[own], rates[peer]))
            ratio(f"lost beside pgkeep, of that beside {peer.name}", lost, 0.05)

    def lag(self):
        rate = 50_000_000 // 65_536
        print(f"\nlag at 50 MB/s of WAL, {self.seconds} s each, median of {self.runs}")
        for streamer in self.streamers[1:]:
            worst = []
            for _ in range(self.runs):
                self.reset()
                streamer.start(self.server)
                load = self.pgbench(
                    65_000, "-T", str(self.seconds), "--rate", str(rate))
                before, begin = self.written(), time.monotonic()
                most = [0.0, 0.0]
                while load.poll() is None:
                    now = streamer.position(self.server)
                    most = [max(a, b) for a, b in zip(most, now or (0, 0))]
                    time.sleep(0.1)
                speed = (self.written() - before) / (time.monotonic() - begin)
                self.end(load)
                streamer.stop()
                worst.append((most[1], most[0], speed))
            seconds, bytes, speed = (statistics.median(run[i] for run in worst) for i in range(3))
            print(f"  {streamer.name:32} {seconds:8.2f} s, {bytes / MIB:.1f} MiB at most,"
                  f" {speed / 1e6:.0f} MB/s")
            if streamer.name.startswith("pgkeep"):
                ratio("largest lag of pgkeep, seconds", seconds, 1)
