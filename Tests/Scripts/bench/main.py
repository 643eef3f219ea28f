"""Compares pgkeep with its peers on this machine; prints tables of medians and the targets.

Environment: BENCH_SCALE (70: about 2 GB), BENCH_RUNS (3), BENCH_WAL_MB (1024), BENCH_FETCHES (30),
BENCH_LOAD_SECONDS (20), BENCH_MAJOR (18),
BENCH_ONLY (backup,restore,change,wal,fetch,source,agent), BENCH_AGENT_SECONDS (300),
BENCH_AGENT_INSTANCES (10), BENCH_DIR (/var/tmp/pgkeep-bench).
"""

import os
import platform
import pwd
import shutil
import statistics
import sys

from agent import IdleAgent
from change import Change
from measure import run
from report import MIB, median, ratio, rotated, table
from server import Server
from source import Source
from tools import BaseBackup, Floor, PgBackRest, Pgkeep


def setting(name, default):
    return type(default)(os.environ.get(name) or default)


def processor():
    with open("/proc/cpuinfo") as text:
        for line in text:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


class Bench:
    def __init__(self):
        self.runs = setting("BENCH_RUNS", 3)
        self.only = setting(
            "BENCH_ONLY", "backup,restore,change,wal,fetch,source,agent"
        ).split(",")
        self.directory = setting("BENCH_DIR", "/var/tmp/pgkeep-bench")
        self.major = setting("BENCH_MAJOR", 18)
        binaries = os.environ["BENCH_SERVER_BIN"]
        self.server = Server(binaries, self.directory, 21_432)
        self.floor = Floor(self.server, self.directory, self.client)
        self.basebackup = BaseBackup(self.server, self.directory, self.client)
        self.pgbackrest = PgBackRest(self.server, self.directory, os.environ["BENCH_PGBACKREST"])
        self.tools = [self.floor, self.basebackup, self.pgbackrest]
        binary = self.copy_of_pgkeep()
        if binary:
            self.pgkeep = Pgkeep(self.server, self.directory, binary)
            self.tools.append(self.pgkeep)

    def client(self, name):
        """A client program that knows LZ4, with the loader it needs."""
        return os.environ["BENCH_CLIENT"].split() + [f"{os.environ['BENCH_CLIENT_BIN']}/{name}"]

    def copy_of_pgkeep(self):
        """The binary where the server's user can run it; None when it is left out."""
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory)
        if os.getuid() == 0:
            entry = pwd.getpwnam("postgres")
            os.chown(self.directory, entry.pw_uid, entry.pw_gid)
        binary = os.environ["PGKEEP_BINARY"]
        if not os.path.exists(binary):
            print(f"bench: {binary} is missing, only the peers are measured")
            return None
        copy = f"{self.directory}/pgkeep-binary"
        shutil.copy(binary, copy)
        os.chmod(copy, 0o755)
        return copy

    def able(self, ability):
        return [tool for tool in self.tools if hasattr(tool, ability)]

    def interleave(self, ability):
        """Runs an ability of all tools in turn, each round beginning with another one."""
        tools = self.able(ability)
        results = {tool: [] for tool in tools}
        for round in range(self.runs):
            for tool in rotated(tools, round):
                self.server.sql("checkpoint")
                results[tool].append(getattr(tool, ability)())
        return [(tool.name, median(results[tool])) for tool in tools]

    def prepare(self):
        scale = setting("BENCH_SCALE", 70)
        print(f"machine: {os.cpu_count()} cores, {processor()}, {platform.release()}")
        self.server.create()
        self.server.start()
        self.server.load(scale)
        for tool in self.able("prepare"):
            tool.prepare()
        print("server: " + self.server.sql("select version()").split(" on ")[0]
              + f", database of {self.server.bytes() / MIB:.0f} MiB (BENCH_SCALE={scale})")
        print("peers: " + run(self.client("pg_basebackup") + ["--version"]) + ", "
              + run([self.pgbackrest.binary, "version"]))
        print(f"medians of {self.runs} interleaved runs; CPU: user and system time of the client's"
              " processes; RSS: their largest sum; every backup durable when its time ends")
        sys.stdout.flush()

    def backup(self):
        rows = self.interleave("backup")
        self.full = rows
        table("full backup", rows, "stored MiB",
              [("stream to nowhere", None), ("pg_basebackup lz4", 1.0), ("pgBackRest", 0.75)])

    def restore(self):
        table("restore of the full backup into a directory", self.interleave("restore"),
              "written MiB", [("pgBackRest", 0.9)])

    def wal(self):
        tools = self.able("catch_up")
        results = {tool: [] for tool in tools}
        number = 0
        for round in range(self.runs):
            for tool in tools:
                tool.before_wal()
            wal = self.server.make_wal(setting("BENCH_WAL_MB", 1024) * MIB, number)
            number = wal["number"]
            for tool in rotated(tools, round):
                results[tool].append(tool.catch_up(wal))
            self.pgbackrest.after_wal()
        rows = [(tool.wal_name, median(results[tool])) for tool in tools]
        table(f"catching up {wal['bytes'] / MIB:.0f} MiB of WAL", rows, "stored MiB",
              [("pg_receivewal lz4", 1.0), ("pgBackRest archive-push async", None)])
        self.segments = self.archived(wal)

    def archived(self, wal):
        """Names of full segments of the last round, which every tool has."""
        first, last = int(wal["first"], 16), int(wal["last"], 16)
        return [f"{value:024X}" for value in range(first, last) if value & 0xFFFFFFFF < 256]

    def fetch(self):
        count = setting("BENCH_FETCHES", 30)
        names = (self.segments * count)[:count]
        tools = self.able("fetch")
        times = {tool: [] for tool in tools}
        for index, name in enumerate(names):
            for tool in rotated(tools, index):
                times[tool] += tool.fetch([name], self.directory)
        print(f"\nfetching one 16 MiB segment, process start included, median of {count}")
        for tool in tools:
            print(f"  {tool.fetch_name:32} {statistics.median(times[tool]) * 1000:8.1f} ms")
        if len(tools) == 2:
            peer, own = (statistics.median(times[tool]) for tool in tools)
            ratio("pgkeep / pgBackRest", own / peer, 0.7)
            ratio("pgkeep, ms", own * 1000, 40)

    def main(self):
        try:
            if self.only != ["agent"]:
                self.compare()
            if "agent" in self.only:
                IdleAgent(
                    os.environ["BENCH_SERVER_BIN"], self.directory, self.pgkeep.binary,
                    setting("BENCH_AGENT_INSTANCES", 10), 150,
                    setting("BENCH_AGENT_SECONDS", 300)).main()
        finally:
            if not os.environ.get("BENCH_KEEP"):
                shutil.rmtree(self.directory, ignore_errors=True)

    def compare(self):
        try:
            self.prepare()
            if {"backup", "restore", "change"} & set(self.only):
                self.backup()
            if "restore" in self.only:
                self.restore()
            if "change" in self.only:
                Change(self, self.full).main()
            if "wal" in self.only or "fetch" in self.only:
                self.wal()
            if "fetch" in self.only:
                self.fetch()
            if "source" in self.only:
                Source(self).main()
        finally:
            self.server.stop()


if __name__ == "__main__":
    Bench().main()
