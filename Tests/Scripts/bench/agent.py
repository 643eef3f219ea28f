"""What an agent costs that has nothing to do: memory and processor time with several instances."""

import os
import signal
import statistics
import subprocess
import time
import urllib.request

from measure import environment, run, server_user
from report import MIB, ratio
from server import Server

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
METRICS = "127.0.0.1:21499"


class IdleServer(Server):
    """A server nobody uses, as small as can be."""

    def create(self):
        super().create()
        with open(f"{self.data}/postgresql.conf", "a") as configuration:
            configuration.write("shared_buffers = '16MB'\nmax_connections = 20\n"
                                "archive_mode = off\n")


def stat(process):
    with open(f"/proc/{process}/stat") as text:
        return text.read().rsplit(")", 1)[1].split()


def seconds(process):
    """Processor time of a process and of those it has waited for."""
    return sum(int(value) for value in stat(process)[11:15]) / TICKS


def resident(process):
    with open(f"/proc/{process}/statm") as text:
        return int(text.read().split()[1]) * PAGE


def children(process):
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and stat(name)[1] == str(process):
                found.append(int(name))
        except OSError:
            pass
    return found


class IdleAgent:
    """An agent with `count` instances, watched for `span` seconds after `warm` seconds."""

    def __init__(self, binaries, directory, binary, count, warm, span):
        self.directory, self.binary = directory, binary
        self.count, self.warm, self.span = count, warm, span
        self.servers = [IdleServer(binaries, f"{directory}/server{number}", 21_500 + number)
                        for number in range(count)]
        self.environment = dict(environment(), PGKEEP_VAULT=f"{directory}/agent-vault",
                                PGKEEP_KEY_FILE=f"{directory}/agent.key", HOME=directory)
        self.agent = None

    def pgkeep(self, *words):
        subprocess.run([self.binary, *words], check=True, cwd="/", env=self.environment,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **server_user())

    def prepare(self):
        self.pgkeep("vault", "init", "--key-file", f"{self.directory}/agent.key")
        for number, server in enumerate(self.servers):
            run(["mkdir", "-p", os.path.dirname(server.data)])
            server.create()
            server.start()
            self.pgkeep("instance", "add", f"db{number}", "--source", server.conninfo)
        log = open(f"{self.directory}/agent.log", "wb")
        self.agent = subprocess.Popen(
            [self.binary, "agent", "run", "--listen", METRICS], cwd="/", env=self.environment,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, **server_user())

    def streams(self):
        found = []
        for process in children(self.agent.pid):
            try:
                with open(f"/proc/{process}/cmdline") as text:
                    if "\0stream\0" in text.read():
                        found.append(process)
            except OSError:
                pass
        return found

    def spent(self):
        return seconds(self.agent.pid) + sum(seconds(process) for process in self.streams())

    def scrapes(self):
        """Milliseconds of some scrapes, as far apart as Prometheus makes them at its hastiest."""
        taken = []
        for _ in range(11):
            time.sleep(5)
            begin = time.monotonic()
            with urllib.request.urlopen(f"http://{METRICS}/metrics") as answer:
                if f'name="db{self.count - 1}"' not in answer.read().decode():
                    raise SystemExit("bench: the metrics lack an instance")
            taken.append(1000 * (time.monotonic() - begin))
        return taken

    def main(self):
        try:
            self.prepare()
            time.sleep(self.warm)
            before, streams = self.spent(), self.streams()
            if len(streams) != self.count:
                raise SystemExit(f"bench: {len(streams)} of {self.count} instances are streamed,"
                                 f" see {self.directory}/agent.log")
            time.sleep(self.span)
            if self.streams() != streams:
                raise SystemExit(f"bench: streams were started anew, see {self.directory}/agent.log")
            used = self.spent() - before
            print(f"\nan agent with {self.count} idle instances, {self.span} s after {self.warm} s;"
                  " processor time with all child processes")
            ratio("resident memory of the agent, MiB", resident(self.agent.pid) / MIB, 64)
            ratio("resident memory of the largest stream, MiB",
                  max(resident(process) for process in streams) / MIB, 32)
            ratio("processor time, % of a core", 100 * used / self.span, 1)
            taken = self.scrapes()
            ratio("one scrape of /metrics, ms, median", statistics.median(taken), 50)
            ratio("one scrape of /metrics, ms, slowest", max(taken), 50)
            own = seconds(self.agent.pid)
            print(f"    of it in {own:.1f} s since its start: the agent and what it ran to an end;"
                  f" {sum(seconds(process) for process in streams):.1f} s in streams")
        finally:
            if self.agent:
                self.agent.send_signal(signal.SIGTERM)
                self.agent.wait()
            for server in self.servers:
                server.stop()
