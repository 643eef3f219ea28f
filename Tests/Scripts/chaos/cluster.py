"""PostgreSQL under load that is killed, restarted and promoted: one server, or a primary with a
standby whose roles change. Clients reach it by its socket, agents through the proxy's ports."""

import glob
import os
import re
import shutil
import signal
import subprocess
import threading
import time

from measure import environment, run, server_user

START_SECONDS = 180
STOP_SECONDS = 180

SETTINGS = {
    "unix_socket_directories": "'{socket}'", "listen_addresses": "'127.0.0.1'",
    "shared_buffers": "'64MB'", "max_wal_size": "'192MB'", "min_wal_size": "'80MB'",
    "checkpoint_timeout": "'2min'", "max_replication_slots": 10, "max_wal_senders": 10,
    "wal_sender_timeout": "'15s'", "hot_standby": "on", "fsync": "off", "log_line_prefix": "'%m '",
    "log_replication_commands": "on",
}


class Node:
    """One data directory and the server on it, if it runs."""

    def __init__(self, cluster, number, port, relay):
        self.cluster = cluster
        self.data = f"{cluster.directory}/{cluster.name}-{number}"
        self.log = f"{self.data}.log"
        self.port, self.relay = port, relay
        self.process = None

    @property
    def conninfo(self):
        return f"host={self.cluster.socket} port={self.port} user=postgres dbname=postgres"

    def start(self):
        """Starts it; after a kill its last processes may still hold the shared memory for a bit."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with open(self.log, "ab") as log:
                self.process = subprocess.Popen(
                    [self.cluster.program("postgres"), "-D", self.data, "-p", str(self.port)],
                    cwd="/", env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True, **server_user())
            while self.process.poll() is None and time.monotonic() < deadline:
                if self.answers():
                    return
                time.sleep(0.1)
            time.sleep(0.5)
        raise RuntimeError(f"the server on {self.data} did not start, see {self.log}")

    def answers(self):
        return subprocess.run([self.cluster.program("pg_isready"), "-q", "-d", self.conninfo],
                              env=environment()).returncode == 0

    def end(self, number):
        """Ends it by a signal and tells how long that took."""
        begin = time.monotonic()
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
        return time.monotonic() - begin

    def sql(self, text, check=True):
        return run([self.cluster.program("psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-d",
                    self.conninfo, "-c", text], check=check)

    def follow(self, other):
        """Becomes the standby of another server, with a fresh copy of it."""
        shutil.rmtree(self.data, ignore_errors=True)
        run([self.cluster.program("pg_basebackup"), "-d", other.conninfo, "-D", self.data, "-X",
             "stream", "-c", "fast", "--no-sync"])
        with open(f"{self.data}/postgresql.auto.conf", "a") as settings:
            settings.write(f"primary_conninfo = '{other.conninfo} application_name=standby'\n")
        run(["touch", f"{self.data}/standby.signal"])
        self.start()


class Cluster:
    """An instance as pgkeep sees it."""

    def __init__(self, name, binaries, directory, ports, proxy, relays, settings):
        self.name, self.binaries, self.directory = name, binaries, directory
        self.socket = f"{directory}/s"
        self.proxy = proxy
        self.settings = {**SETTINGS, **settings}
        self.nodes = [Node(self, number, *pair) for number, pair in enumerate(zip(ports, relays))]
        self.primary = self.nodes[0]
        # Held by whoever stops servers or changes roles, and by whoever cuts the network.
        self.lock, self.net = threading.Lock(), threading.Lock()
        # Where each timeline ended that was left by a promotion.
        self.forks = {}
        for node in self.nodes:
            proxy.tell(node.relay, node.port)

    def program(self, name):
        return f"{self.binaries}/{name}"

    @property
    def source(self):
        """How agents reach it: through the proxy, whichever server is the primary."""
        hosts = ",".join("127.0.0.1" for _ in self.nodes)
        ports = ",".join(str(node.relay) for node in self.nodes)
        pair = " target_session_attrs=primary" if len(self.nodes) > 1 else ""
        return f"host={hosts} port={ports} user=postgres dbname=postgres connect_timeout=5{pair}"

    @property
    def standby(self):
        return next((node for node in self.nodes if node is not self.primary), None)

    def role(self, node):
        return "primary" if node is self.primary else "standby"

    def create(self, scale):
        data = self.primary.data
        run([self.program("initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--locale", "C.UTF-8", "--data-checksums", "--no-sync"])
        with open(f"{data}/postgresql.conf", "a") as configuration:
            for name, value in self.settings.items():
                value = str(value).format(socket=self.socket)
                configuration.write(f"{name} = {value}\n")
        self.primary.start()
        run([self.program("pgbench"), "-i", "-q", "-s", str(scale), self.primary.conninfo])
        self.primary.sql("create table ledger (id bigint primary key, note text not null)")

    def set(self, name, value):
        self.primary.sql(f"alter system set {name} = '{value}'")
        self.primary.sql("select pg_reload_conf()")

    def position(self):
        """The end of the primary's WAL."""
        return lsn(self.primary.sql("select pg_current_wal_flush_lsn()"))

    def promote(self):
        """Makes the standby the primary; the old one must have ended. Notes where it forked."""
        new = self.standby
        new.sql("select pg_promote()")
        deadline = time.monotonic() + START_SECONDS
        while new.sql("select pg_is_in_recovery()", check=False) != "f":
            if time.monotonic() > deadline:
                raise RuntimeError(f"the standby on {new.data} was not promoted, see {new.log}")
            time.sleep(0.1)
        self.primary = new
        for path in glob.glob(f"{new.data}/pg_wal/*.history"):
            with open(path) as history:
                for line in history:
                    if found := re.match(r"(\d+)\t([0-9A-F]+/[0-9A-F]+)", line):
                        self.forks[int(found[1])] = lsn(found[2])

    def stop(self, number=signal.SIGINT):
        for node in self.nodes:
            node.end(number)


def lsn(text):
    """A WAL position as a number."""
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def lsn_text(value):
    return f"{value >> 32:X}/{value & 0xFFFFFFFF:X}"


def stop_below(directory, number=signal.SIGQUIT):
    """Ends servers whose data lies below `directory`, by their lock files: what is left when
    something else went wrong."""
    for path in glob.glob(f"{directory}/*/postmaster.pid"):
        try:
            with open(path) as lock:
                pid, data = lock.readline().strip(), lock.readline().strip()
            with open(f"/proc/{pid}/cmdline", "rb") as command:
                if data.encode() in command.read():
                    os.kill(int(pid), number)
        except (OSError, ValueError):
            pass
