"""Hosts: each an agent with its own configuration, state and clock. Where root runs this, all but
the first have process numbers and a name of their own, so that hosts cannot see each other's
processes and know of each other's end by silence alone."""

import ctypes
import os
import signal
import struct
import subprocess
import sys
import threading
import time

from measure import descendants, environment, server_user

STOP_SECONDS = 120


def variables(pid):
    try:
        with open(f"/proc/{pid}/environ", "rb") as content:
            return content.read().split(b"\0")
    except OSError:
        return []


def program(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return None


def processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


class Host:
    def __init__(self, name, directory, binary, clock_library, isolated):
        self.name, self.binary = name, binary
        self.home = f"{directory}/{name}"
        self.log = f"{self.home}/agent.log"
        self.clock = f"{self.home}/clock"
        self.clock_library = clock_library
        self.lock = threading.Lock()
        self.process = self.agent = None
        self.offset = 0.0
        subprocess.run(["mkdir", "-p", f"{self.home}/.config/pgkeep"], check=True, **server_user())
        self.set_clock(0)
        self.enter = []
        self.root = None
        if isolated:
            self.root = subprocess.Popen(
                ["unshare", "--pid", "--uts", "--mount", "--fork", "--mount-proc", sys.executable,
                 __file__, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                start_new_session=True)
            if self.root.stdout.readline() != "ready\n":
                raise RuntimeError(f"no namespaces for {name}")
            first = descendants(self.root.pid)[0]
            self.enter = ["nsenter", "-t", str(first), "-p", "-u", "-m", "--"]

    def configure(self, vault, key):
        with open(f"{self.home}/.config/pgkeep/config.yaml", "w") as file:
            file.write(f"vault: {vault}\nkey_file: {key}\n")

    def environment(self):
        return environment({"HOME": self.home, "LD_PRELOAD": self.clock_library,
                            "CHAOS_CLOCK": self.clock, "CHAOS_HOST": self.home})

    def inside(self, command):
        """A command that runs on this host, and how to run it as the server's user."""
        if not self.enter:
            return command, server_user()
        drop = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"]
        return self.enter + drop + command, {}

    def start(self):
        """Starts the agent; returns when it runs."""
        drop = server_user()
        command, drop = self.inside([self.binary, "agent", "run"])
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, cwd="/", env=self.environment(), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True, **drop)
        while self.process.poll() is None:
            tree = [self.process.pid] + descendants(self.process.pid)
            agents = [pid for pid in tree if program(pid) == self.binary]
            if agents:
                self.agent, self.started = agents[0], time.monotonic()
                return
            time.sleep(0.01)
        self.agent = None

    @property
    def runs(self):
        return self.process is not None and self.process.poll() is None

    def all(self):
        """Its processes: agent, children, children of agents killed before, and what they run."""
        mark = f"CHAOS_HOST={self.home}".encode()
        outside = self.process.pid if self.enter and self.process else None
        return [pid for pid in processes() if pid != outside and mark in variables(pid)]

    def children(self):
        return [pid for pid in self.all() if pid != self.agent]

    def signal(self, pids, number):
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def resume(self, pids):
        """Lets suspended processes go on; nsenter suspends itself with the agent."""
        self.signal(pids + [self.process.pid], signal.SIGCONT)

    def kill_agent(self):
        """Kills the agent alone; its children are left to themselves."""
        if self.runs:
            self.signal([self.agent], signal.SIGKILL)
            self.process.wait()

    def kill_all(self):
        """As a power cut: nothing of the host is left."""
        while pids := self.all():
            self.signal(pids, signal.SIGKILL)
            if self.process is not None:
                self.process.wait()
            time.sleep(0.05)

    def end(self):
        """Asks the agent to end in order; its exit code (None: it did not) and how long it took."""
        begin = time.monotonic()
        if not self.runs:
            return (self.process.returncode if self.process else 0), 0
        # Before it listens to signals, one ends it as it ends any program.
        time.sleep(max(0, self.started + 2 - begin))
        self.signal([self.agent], signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        return code, time.monotonic() - begin

    def set_clock(self, offset):
        """Steps the clock of all its processes to so many seconds beside the machine's."""
        self.offset = offset
        descriptor = os.open(self.clock, os.O_WRONLY | os.O_CREAT, 0o644)
        os.pwrite(descriptor, struct.pack("<q", int(offset * 1e6)), 0)
        os.close(descriptor)

    def close(self):
        """Leaves nothing behind, whatever happened."""
        if self.process is not None:
            self.resume([])
        self.kill_all()
        if self.root is not None:
            self.root.stdin.close()
            self.root.wait()


def first_process(name):
    """What runs first in a host's namespaces: reaps, and ends them with its standard input."""
    ctypes.CDLL(None).sethostname(name.encode(), len(name))
    print("ready", flush=True)

    def reap():
        while True:
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                time.sleep(0.2)

    threading.Thread(target=reap, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    first_process(sys.argv[1])
