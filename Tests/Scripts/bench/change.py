"""What a backup costs when little has changed: 1 % of the pages, then none."""

import os
import socket
import statistics
import threading

from report import MIB, median, ratio, rotated, table

SHARE = 0.01
POINTS = 12


class Wire:
    """A socket in front of the server's that counts the bytes coming from it."""

    def __init__(self, server, directory):
        self.directory = directory
        self.target = f"{server.socket}/.s.PGSQL.{server.port}"
        self.received = 0
        os.makedirs(directory, exist_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(f"{directory}/.s.PGSQL.{server.port}")
        os.chmod(f"{directory}/.s.PGSQL.{server.port}", 0o777)
        self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()
        self.conninfo = server.conninfo.replace(server.socket, directory)

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.target)
            threading.Thread(target=self.pass_on, args=(client, server), daemon=True).start()
            threading.Thread(target=self.pass_on, args=(server, client, True), daemon=True).start()

    def pass_on(self, source, target, counts=False):
        try:
            while data := source.recv(1 << 20):
                if counts:
                    self.received += len(data)
                target.sendall(data)
        except OSError:
            pass
        try:
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class Change:
    """Rounds of small change, each backed up by every tool that has a full backup already."""

    def __init__(self, bench, full):
        self.bench = bench
        self.server = bench.server
        self.pgkeep = bench.pgkeep
        self.full = dict(full)

    def main(self):
        tools = [tool for tool in self.bench.able("incremental")
                 if tool is not self.bench.basebackup or self.server.major >= 17]
        changed, idle, touched = self.rounds(tools)
        megabytes = touched * 8192 / MIB
        table(f"backup after {SHARE:.0%} of the pages changed ({touched} pages, {megabytes:.0f} MiB)",
              changed, "stored MiB", [("pg_basebackup lz4", None), ("pgBackRest", 0.8)])
        stored = {name: cost["stored"] for name, cost in changed}
        compression = self.full["pgkeep"]["stored"] / self.server.bytes()
        ratio("stored, pgkeep / pgBackRest", stored["pgkeep"] / stored["pgBackRest"], 0.4)
        ratio("stored / (changed pages x compression of the full)",
              stored["pgkeep"] / (touched * 8192 * compression), 1.35)
        table("backup when nothing has changed", idle, "stored MiB", [])
        ratio("stored, % of the database",
              100 * dict(idle)["pgkeep"]["stored"] / self.server.bytes(), 0.2)
        self.restores()
        self.wire()

    def rounds(self, tools):
        changed = {tool: [] for tool in tools}
        idle = {tool: [] for tool in tools}
        touched = []
        for round in range(self.bench.runs):
            touched.append(self.server.touch(SHARE))
            for results in (changed, idle):
                for tool in rotated(tools, round):
                    self.server.sql("checkpoint")
                    results[tool].append(tool.incremental())
        return ([(tool.name, median(changed[tool])) for tool in tools],
                [(tool.name, median(idle[tool])) for tool in tools],
                statistics.median(touched))

    def restores(self):
        """The 12th point of a chain against a full backup of the same data, in turn."""
        while len(self.pgkeep.points()) < POINTS:
            self.server.touch(SHARE)
            self.pgkeep.incremental()
        fresh = self.pgkeep.beside("vault-fresh", "fresh")
        fresh.prepare()
        fresh.incremental()
        chain, full = [], []
        # Both write the same 2 GB: what differs is small, and the disk's mood is not.
        for round in range(max(self.bench.runs, 5)):
            for results, tool in rotated([(chain, self.pgkeep), (full, fresh)], round):
                results.append(tool.restore()["wall"])
        count = len(self.pgkeep.points())
        print(f"\nrestore of point {count}: {statistics.median(chain):.2f} s, of a fresh full backup"
              f" of the same data: {statistics.median(full):.2f} s")
        ratio(f"restore of point {count} / of a fresh full",
              statistics.median(chain) / statistics.median(full), 1.2)

    def wire(self):
        """What comes over the wire when nothing has changed, counted by a socket in between."""
        wire = Wire(self.server, f"{self.bench.directory}/wire")
        counted = self.pgkeep.beside("vault-wire", "wire", wire.conninfo)
        counted.prepare()
        counted.incremental()
        wire.received = 0
        counted.incremental()
        share = 100 * wire.received / self.server.bytes()
        print(f"\nreceived for a backup of nothing changed: {wire.received / MIB:.1f} MiB")
        ratio("received, % of the database", share, 2 if self.server.major >= 17 else None)
