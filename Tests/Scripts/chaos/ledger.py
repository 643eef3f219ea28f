"""Clients of a cluster: pgbench, and one that commits numbered rows and notes on its own disk,
synced, what was sent and what was acknowledged."""

import os
import queue
import random
import re
import subprocess
import threading
import time

from cluster import lsn
from measure import environment, server_user

INSERT = "insert into ledger values ({number}, md5('{number}')) " \
    "returning pg_current_wal_insert_lsn();\n"
PLACE = "select pg_current_wal_lsn(), substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8);\n"
LSN = "[0-9A-F]+/[0-9A-F]+"


class Row:
    """A row of the ledger: when and where it was committed, as far as the client knows."""

    def __init__(self, number, sent):
        self.number, self.sent = number, sent
        # When the commit was acknowledged; None: it never was, and may be there or not.
        self.acknowledged = None
        # The commit record lies between them, on this timeline.
        self.low = self.high = self.timeline = None


class Load:
    """pgbench, started again whenever it ends."""

    def __init__(self, cluster, rate):
        self.cluster, self.rate = cluster, rate
        self.stopping = threading.Event()
        self.process = None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stopping.is_set():
            self.process = subprocess.Popen(
                [self.cluster.program("pgbench"), "-n", "-c", "2", "-R", str(self.rate), "-T",
                 "86400", self.cluster.primary.conninfo], cwd="/", env=environment(),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True, **server_user())
            self.process.wait()
            self.stopping.wait(0.5)

    def stop(self):
        self.stopping.set()
        while self.thread.is_alive():
            if self.process is not None:
                self.process.kill()
            self.thread.join(0.2)


class Ledger:
    """The client that keeps a ledger of its own."""

    def __init__(self, cluster, path, seed, seconds=0.25):
        self.cluster, self.seconds = cluster, seconds
        self.random = random.Random(seed)
        self.file = open(path, "w")
        self.rows = []
        self.process = None
        # What psql says; None when it has ended.
        self.lines = None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    @property
    def acknowledged(self):
        return [row for row in self.rows if row.acknowledged is not None]

    def run(self):
        while not self.stopping.is_set():
            try:
                self.session()
            except OSError:
                pass
            finally:
                self.close()
            self.stopping.wait(0.3)

    def session(self):
        """Commits rows over one connection until it breaks."""
        self.lines = queue.Queue()
        self.process = subprocess.Popen(
            [self.cluster.program("psql"), "-XqAt", "-F", " ", "-v", "ON_ERROR_STOP=1", "-d",
             self.cluster.primary.conninfo], cwd="/", env=environment(), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1,
            start_new_session=True, **server_user())
        threading.Thread(target=self.read, args=(self.process, self.lines)).start()
        self.ask("select pg_current_wal_lsn();\n", LSN)
        while not self.stopping.wait(self.random.uniform(0, 2 * self.seconds)):
            row = Row(len(self.rows) + 1, time.time())
            self.note(f"sent {row.number} {row.sent:.6f}")
            self.rows.append(row)
            low = self.ask(INSERT.format(number=row.number), LSN)
            row.low = lsn(low)
            row.acknowledged = time.time()
            self.note(f"acknowledged {row.number} {row.acknowledged:.6f} {low}")
            place = self.ask(PLACE, LSN + " [0-9A-F]{8}").split()
            row.high, row.timeline = lsn(place[0]), int(place[1], 16)
            self.note(f"placed {row.number} {place[0]} {row.timeline}")

    def read(self, process, lines):
        for line in process.stdout:
            lines.put(line.strip())
        lines.put(None)

    def ask(self, statement, answer):
        """One statement's answer. Anything but a plain one ends the session: after a warning a
        commit may be kept by the server alone."""
        self.process.stdin.write(statement)
        line = self.lines.get()
        if line is None or not re.fullmatch(answer, line):
            raise ConnectionError(line)
        return line

    def note(self, line):
        self.file.write(line + "\n")
        self.file.flush()
        os.fsync(self.file.fileno())

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            try:
                self.process.stdin.close()
            except OSError:
                pass
            self.process = None

    def stop(self):
        self.stopping.set()
        while self.thread.is_alive():
            # What waits for an answer that may never come gets none: the row stays unknown.
            if process := self.process:
                process.kill()
            self.thread.join(0.2)
