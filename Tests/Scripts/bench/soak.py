"""Everything at once, killed at random: backups, deletes, restores, checks, two pruners and the
streamer, while pgbench writes. In the end every point must restore and no garbage may be left.

Environment: SOAK_SECONDS (600), SOAK_SEED (the time), BENCH_DIR (/var/tmp/pgkeep-soak).
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

from measure import environment, run, server_user
from server import Server
from tools import Pgkeep

KEPT = 4


def setting(name, default):
    return type(default)(os.environ.get(name) or default)


class Soak:
    def __init__(self):
        self.seconds = setting("SOAK_SECONDS", 600)
        self.seed = setting("SOAK_SEED", int(time.time()))
        self.directory = setting("BENCH_DIR", "/var/tmp/pgkeep-soak")
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory)
        shutil.chown(self.directory, server_user().get("user"), server_user().get("group"))
        binary = f"{self.directory}/pgkeep-binary"
        shutil.copy(os.environ["PGKEEP_BINARY"], binary)
        os.chmod(binary, 0o755)
        self.server = Server(os.environ["BENCH_SERVER_BIN"], self.directory, 21_433)
        self.pgkeep = Pgkeep(self.server, self.directory, binary, instance="soak")
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.counts = {}
        self.failures = []

    def command(self, *arguments):
        return [self.pgkeep.binary, *arguments]

    def act(self, name, arguments, allowed=(0,), killed=True):
        """Runs one command, maybe killing it; anything but the exit codes allowed is a failure."""
        process = subprocess.Popen(
            self.command(*arguments), cwd="/", env=environment(self.pgkeep.environment),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            **server_user())
        dies = killed and self.random.random() < 0.5
        try:
            limit = self.random.uniform(0.02, 1.5) if dies else None
            output, errors = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            self.count(name, "killed")
            return None
        if process.returncode not in allowed:
            with self.lock:
                self.failures.append(f"{name}: exit {process.returncode}\n{errors}")
        self.count(name, "done" if process.returncode == 0 else f"exit {process.returncode}")
        return output if process.returncode == 0 else None

    def count(self, name, end):
        with self.lock:
            ends = self.counts.setdefault(name, {})
            ends[end] = ends.get(end, 0) + 1

    def repeat(self, number, work):
        self.random_by_thread.random = random.Random(f"{self.seed} {number}")
        while not self.stop.is_set():
            work(number)

    @property
    def random(self):
        return self.random_by_thread.random

    random_by_thread = threading.local()

    # 8: another backup runs, or a killed one's role has not been given up yet.

    def backup(self, _):
        self.act("backup", ["backup", "create", "soak", "--json"], (0, 8))
        points = self.points()
        # Any but the newest may go, in any order.
        while len(points) > KEPT and not self.stop.is_set():
            point = points.pop(self.random.randrange(len(points) - 1))
            self.act("delete", ["backup", "delete", "soak", point["id"], "--automatic"], (0, 4))

    def points(self):
        output = self.act("list", ["backup", "list", "soak", "--json"], killed=False)
        points = json.loads(output or "[]")
        points = points.get("points", points) if isinstance(points, dict) else points
        return [point for point in points if point["state"] == "completed"]

    def stream(self, _):
        self.act("stream", ["wal", "stream", "soak", "--until-caught-up"], (0, 8))

    def prune(self, _):
        self.act("prune", ["vault", "prune", "--json"], (0, 8))

    def check(self, _):
        self.act("check", ["vault", "check", "--level", self.random.choice(["list", "seal", "decode"])])

    def restore(self, number):
        points = self.points()
        if not points:
            return
        point = self.random.choice(points)["id"]
        target = f"{self.directory}/restore-{number}"
        shutil.rmtree(target, ignore_errors=True)
        # 4, 5: deleted and pruned between listing and restoring.
        if self.act("restore", ["restore", "start", "soak", "--to-dir", target, "--point", point],
                    (0, 4, 5)) is not None:
            self.verify(target)

    def verify(self, target):
        run([self.server.program("pg_verifybackup"), target])

    def main(self):
        print(f"soak: {self.seconds} s, SOAK_SEED={self.seed}")
        try:
            self.server.create()
            self.server.start()
            self.server.load(10)
            self.pgkeep.prepare()
            self.pgkeep.incremental()
            load = subprocess.Popen(
                [self.server.program("pgbench"), "-n", "-c", "2", "-R", "300", "-T", "86400",
                 self.server.conninfo], cwd="/", env=environment(), stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, **server_user())
            try:
                self.everything()
            finally:
                load.kill()
                load.wait()
            self.judge()
        finally:
            self.server.stop()
            if not os.environ.get("BENCH_KEEP"):
                shutil.rmtree(self.directory, ignore_errors=True)

    def everything(self):
        works = [self.backup, self.stream, self.prune, self.prune, self.check, self.restore]
        threads = [threading.Thread(target=self.repeat, args=(number, work))
                   for number, work in enumerate(works)]
        for thread in threads:
            thread.start()
        self.stop.wait(self.seconds)
        self.stop.set()
        for thread in threads:
            thread.join()
        for name, ends in sorted(self.counts.items()):
            print(f"  {name:8} " + ", ".join(f"{count} {end}" for end, count in sorted(ends.items())))

    def judge(self):
        """Ends with status 1 unless every point restores and one prune leaves nothing to prune."""
        for failure in self.failures:
            print(failure)
        points = self.pgkeep.points()
        for point in points:
            target = f"{self.directory}/last"
            self.pgkeep.run("restore", "start", "soak", "--to-dir", target, "--point", point["id"])
            self.verify(target)
            shutil.rmtree(target)
        self.pgkeep.run("vault", "prune")
        self.pgkeep.run("vault", "check", "--level", "decode")
        left = json.loads(self.pgkeep.run("vault", "prune", "--dry-run", "--json"))
        print(f"soak: {len(points)} points restored and verified, "
              f"{left['dropped_bytes']} bytes left to prune")
        if left["dropped_bytes"]:
            self.failures.append(f"garbage is left: {left}")
        if self.failures:
            sys.exit(f"soak: {len(self.failures)} failures")


if __name__ == "__main__":
    Soak().main()
