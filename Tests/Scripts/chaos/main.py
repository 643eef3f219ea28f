"""Half an hour of everything that can go wrong, at once: two instances under load (one alone, and
a primary with a standby in synchronous mode), two agents on two hosts, one vault on a small disk.
In the end every acknowledged commit must be restorable, every gap named by an alarm, ten random
targets right, and nothing of it left behind.

Environment: CHAOS_SECONDS (1800), CHAOS_SEED (the time), CHAOS_PACE (8; mean seconds between
events), CHAOS_RATE (60; pgbench's transactions a second on each), CHAOS_SCALE (5), CHAOS_DISK_MB
(3072), CHAOS_DIR (/var/tmp/pgkeep-chaos), CHAOS_KEEP (keep it), CHAOS_SERVERS (NAME=DIR,NAME=DIR:
programs of the instance alone and of the pair), CHAOS_CLOCK_LIBRARY.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

from cluster import Cluster, lsn, stop_below
from disk import SmallDisk
from events import Events
from hosts import Host, processes, program, variables
from judge import Judge
from ledger import Ledger, Load
from listener import Listener
from measure import environment, run, server_user
from proxy import Proxy

CALM_SECONDS = 600
# With more of them nothing new is learned.
FAILURES_MAX = 20


def setting(name, default):
    return type(default)(os.environ.get(name) or default)


class Chaos:
    def __init__(self):
        self.seconds = setting("CHAOS_SECONDS", 1800)
        self.seed = setting("CHAOS_SEED", int(time.time()))
        self.directory = setting("CHAOS_DIR", "/var/tmp/pgkeep-chaos")
        self.begin = time.monotonic()
        self.failures, self.summary = [], []
        self.lock = threading.Lock()
        self.clusters, self.hosts = [], []
        self.proxy = self.disk = self.listener = None
        self.load = []
        self.last_port = 23_400
        self.is_over = threading.Event()

    # Telling

    def say(self, text):
        line = f"[{time.monotonic() - self.begin:7.1f}] {text}"
        with self.lock:
            print(line)
            with open(f"{self.directory}/events.log", "a") as file:
                file.write(line + "\n")

    def fail(self, text):
        self.failures.append(text)
        self.say(f"FAILURE: {text}")

    def sum(self, text):
        self.summary.append(text)
        self.say(text)

    # Setting up

    def prepare(self):
        stop_below(self.directory)
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(f"{self.directory}/s")
        for path in (self.directory, f"{self.directory}/s"):
            shutil.chown(path, server_user().get("user"), server_user().get("group"))
        self.binary = f"{self.directory}/pgkeep"
        shutil.copy(os.environ["PGKEEP_BINARY"], self.binary)
        clock = f"{self.directory}/clock.so"
        shutil.copy(os.environ["CHAOS_CLOCK_LIBRARY"], clock)
        for path in (self.binary, clock):
            os.chmod(path, 0o755)
        self.disk = SmallDisk(f"{self.directory}/disk", setting("CHAOS_DISK_MB", 3072))
        if not self.disk.is_mounted:
            self.say("only root can mount a small disk: it will not run full")
        self.vault = f"{self.directory}/disk/vault"
        key = f"{self.directory}/vault.key"
        self.environment = {"PGKEEP_VAULT": self.vault, "PGKEEP_KEY_FILE": key}
        self.proxy = Proxy()
        servers = dict(pair.split("=") for pair in os.environ["CHAOS_SERVERS"].split(","))
        (first, older), (second, newer) = servers.items()
        # The first may drop WAL that is still needed; the second keeps it, come what may.
        self.single = self.cluster(first, older, 1, {"max_slot_wal_keep_size": "'128MB'"})
        self.pair = self.cluster(second, newer, 2, {
            "wal_keep_size": "'512MB'", "summarize_wal": "on"})
        scale = setting("CHAOS_SCALE", 5)
        for cluster in self.clusters:
            cluster.create(scale)
        self.pgkeep("vault", "init", self.vault)
        self.pgkeep("policy", "create", "chaos", "--retention", "7", "--schedule", "*/3 * * * *")
        for cluster in self.clusters:
            self.pgkeep("instance", "add", cluster.name, "--source", cluster.source, "--policy",
                        "chaos")
        for number, name in enumerate(("host-a", "host-b")):
            host = Host(name, self.directory, self.binary, clock, number > 0 and os.getuid() == 0)
            self.hosts.append(host)
            host.configure(self.vault, key)
            host.start()
        if not self.wait("the streams to begin", self.streams, 180):
            raise RuntimeError("the agents do not stream")
        # From here on a commit of the pair is acknowledged when it is in the vault.
        self.pair.set("synchronous_standby_names", "pgkeep")
        self.pair.standby.follow(self.pair.primary)
        self.listener = Listener(self, f"{self.directory}/alarms.json")
        rate = setting("CHAOS_RATE", 60)
        for cluster in self.clusters:
            self.load.append(Load(cluster, rate))
            cluster.ledger = Ledger(cluster, f"{self.directory}/{cluster.name}.ledger", self.seed)
        self.say("it runs")

    def cluster(self, name, binaries, count, settings):
        ports = [self.port() for _ in range(2 * count)]
        cluster = Cluster(name, binaries, self.directory, ports[:count], self.proxy,
                          ports[count:], settings)
        self.clusters.append(cluster)
        return cluster

    def port(self):
        """A free port below those the system gives to clients, which may take one meanwhile."""
        while True:
            self.last_port += 1
            with socket.socket() as free:
                try:
                    free.bind(("127.0.0.1", self.last_port))
                    return self.last_port
                except OSError:
                    continue

    def pgkeep(self, *words):
        return run([self.binary, *words], self.environment)

    def document(self, *words):
        """What a command tells, or None while it fails."""
        text = run([self.binary, *words, "--json"], self.environment, check=False)
        try:
            return json.loads(text)
        except ValueError:
            return None

    def status(self, cluster):
        return self.document("wal", "status", cluster.name) or {}

    def streams(self):
        return all(self.status(cluster).get("streaming") for cluster in self.clusters)

    def wait(self, what, test, seconds=CALM_SECONDS):
        """Whether it came about."""
        deadline = time.monotonic() + seconds
        while not test():
            if time.monotonic() > deadline:
                self.fail(f"waited {seconds} s in vain for {what}")
                return False
            time.sleep(1)
        return True

    # Running

    def keep_watch(self, events):
        """An agent never ends by itself."""
        while not self.is_over.wait(1):
            for host in self.hosts:
                if host.lock.acquire(blocking=False):
                    if not host.runs:
                        self.fail(f"{host.name}: the agent ended by itself, exit "
                                  f"{host.process.returncode}, see {host.log}")
                        host.start()
                    host.lock.release()
            if len(self.failures) > FAILURES_MAX:
                events.over.set()

    def end_agent(self, host):
        code, took = host.end()
        if code != 0:
            self.fail(f"{host.name}: the agent asked to end: exit {code} after {took:.0f} s, see "
                      f"{host.log}")
            host.kill_agent()

    def chaos(self):
        events = Events(self, self.seconds, self.seed, setting("CHAOS_PACE", 8.0))
        watch = threading.Thread(target=self.keep_watch, args=(events,))
        watch.start()
        try:
            events.run()
        finally:
            events.finish()
            self.is_over.set()
            watch.join()
        self.sum("events: " + ", ".join(f"{count} {name}"
                                        for name, count in sorted(events.counts.items())))

    def calm(self):
        """All is well again: one agent catches up. Then the pair dies amid its commits, for good:
        what was acknowledged there must be in the vault and nowhere else."""
        self.say("calm: one agent is to catch up")
        for load in self.load:
            load.stop()
        for host in self.hosts:
            host.set_clock(0)
        self.end_agent(self.hosts[1])
        if not self.hosts[0].runs:
            self.hosts[0].start()
        self.single.ledger.stop()
        for cluster in self.clusters:
            end = cluster.position()
            self.wait(f"{cluster.name} to catch up with {end:X}", lambda: self.has(cluster, end))
        self.wait("an alarm for each gap", self.gaps_are_named)
        before = len(self.pair.ledger.acknowledged)
        self.wait("commits of the pair", lambda: len(self.pair.ledger.acknowledged) > before + 3)
        self.pair.stop(signal.SIGKILL)
        self.say(f"{self.pair.name}: both servers are killed and never come back")
        self.pair.ledger.stop()
        self.end_agent(self.hosts[0])
        self.ends_clean()
        self.single.stop()
        self.listener.stop()

    def gaps_are_named(self):
        return all(self.listener.named(cluster.name, gap) for cluster in self.clusters
                   for gap in (self.document("window", "show", cluster.name) or {}).get("gaps", []))

    def has(self, cluster, end):
        """Whether the window reaches that far."""
        window = self.document("window", "show", cluster.name) or {}
        newest = max(cluster.forks, default=0) + 1
        return any(span["timeline"] == newest and lsn(span["latest_lsn"]) >= end
                   for span in window.get("intervals", []))

    def ends_clean(self):
        """Nothing of ours runs, and every role can be had again at once."""
        deadline = time.monotonic() + 15
        while (left := self.ours()) and time.monotonic() < deadline:
            time.sleep(0.2)
        for pid in left:
            with open(f"/proc/{pid}/cmdline") as command:
                self.fail(f"process {pid} is left: {command.read()}")
        name = self.single.name
        for words in (["backup", "create", name], ["backup", "run-due", name],
                      ["wal", "stream", name, "--until-caught-up"]):
            done = subprocess.run([self.binary, *words], env=environment(self.environment), cwd="/",
                                  capture_output=True, text=True, **server_user())
            if done.returncode != 0:
                self.fail(f"{' '.join(words)} after the end: exit {done.returncode}\n{done.stderr}")

    def ours(self):
        marks = [f"CHAOS_HOST={host.home}".encode() for host in self.hosts]
        return [pid for pid in processes()
                if program(pid) == self.binary or any(mark in variables(pid) for mark in marks)]

    def close(self):
        """Leaves nothing running and nothing mounted, whatever happened."""
        for load in self.load:
            load.stop()
        for cluster in self.clusters:
            if hasattr(cluster, "ledger"):
                cluster.ledger.stop()
        if self.listener is not None:
            self.listener.stop()
        for host in self.hosts:
            host.close()
        for cluster in self.clusters:
            cluster.stop(signal.SIGQUIT)
        stop_below(self.directory)
        if self.proxy:
            self.proxy.stop()

    def main(self):
        print(f"chaos: {self.seconds} s, CHAOS_SEED={self.seed}")
        try:
            self.prepare()
            self.chaos()
            self.calm()
            Judge(self, self.seed).main()
        finally:
            self.close()
            self.clean()
        print("chaos: " + "\n       ".join(self.summary))
        if self.failures:
            sys.exit(f"chaos: {len(self.failures)} failures, CHAOS_SEED={self.seed}, artefacts in "
                     f"{self.directory}:\n" + "\n".join(self.failures))

    def clean(self):
        """Removes it all, or keeps it, the vault too, when something failed."""
        if self.disk is None:
            return
        failed = self.failures or sys.exc_info()[0] or os.environ.get("CHAOS_KEEP")
        self.disk.free()
        if failed and self.disk.is_mounted:
            shutil.copytree(self.vault, f"{self.directory}/vault", dirs_exist_ok=True)
        self.disk.close()
        if not failed:
            shutil.rmtree(self.directory, ignore_errors=True)


def interrupted(*_):
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupted)
    Chaos().main()
