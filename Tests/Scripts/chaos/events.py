"""What happens to servers, hosts, network, disk and clocks, at random but by a seed."""

import random
import signal
import subprocess
import threading
import time

from measure import environment, server_user

# A session that gives no sign of life for so long counts as dead on other hosts.
SILENCE_SECONDS = 120
FAST_STOP_SECONDS = 60
BURST = "update pgbench_accounts set filler = filler"


class Busy(Exception):
    """What the event needs is in the hands of another one."""


class Taken:
    """A lock that is had at once or not at all."""

    def __init__(self, lock):
        self.lock = lock

    def __enter__(self):
        if not self.lock.acquire(blocking=False):
            raise Busy

    def __exit__(self, *_):
        self.lock.release()


class Events:
    def __init__(self, chaos, seconds, seed, pace):
        self.chaos, self.seconds, self.pace = chaos, seconds, pace
        self.random = random.Random(seed)
        self.over = threading.Event()
        self.threads = []
        self.counts = {}
        self.disk_lock = threading.Lock()
        self.kinds = [self.kill_agent, self.kill_host, self.kill_child, self.kill_child,
                      self.freeze_host, self.restart_agent, self.step_clock, self.step_clock,
                      self.kill_server, self.restart_server, self.promote, self.cut_network,
                      self.cut_network, self.lose_slot, self.operator]
        if chaos.disk.is_mounted:
            self.kinds += [self.fill_disk]

    def run(self):
        """Deals events until the time is over, then waits until each has undone what it did."""
        end = time.monotonic() + self.seconds
        hand = []
        while (left := end - time.monotonic()) > 0 and not self.over.is_set():
            self.over.wait(min(left, self.random.uniform(0.5, 2 * self.pace)))
            if not hand:
                hand = self.random.sample(self.kinds, len(self.kinds))
            # Each has its own numbers, so that they do not depend on who is faster.
            event, seed = hand.pop(), self.random.random()
            thread = threading.Thread(target=self.happen, args=(event, random.Random(seed)))
            thread.start()
            self.threads.append(thread)
        self.finish()

    def finish(self):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def happen(self, event, chance):
        name = event.__name__
        try:
            event(chance)
            self.counts[name] = self.counts.get(name, 0) + 1
        except Busy:
            pass
        except (Exception, SystemExit) as error:
            self.chaos.fail(f"{name}: {type(error).__name__}: {error}")

    def say(self, text):
        self.chaos.say(text)

    def pause(self, chance, least, most):
        """Lets some time pass, less when the run ends."""
        self.over.wait(chance.uniform(least, most))

    # Hosts

    def kill_agent(self, chance):
        host = chance.choice(self.chaos.hosts)
        with Taken(host.lock):
            self.say(f"{host.name}: kill -9 of the agent alone")
            host.kill_agent()
            self.pause(chance, 0.5, 15)
            host.start()

    def kill_host(self, chance):
        host = chance.choice(self.chaos.hosts)
        with Taken(host.lock):
            self.say(f"{host.name}: kill -9 of everything")
            host.kill_all()
            self.pause(chance, 1, 90)
            host.start()
            self.say(f"{host.name}: is back")

    def kill_child(self, chance):
        host = chance.choice(self.chaos.hosts)
        with Taken(host.lock):
            if children := host.children():
                pid = chance.choice(sorted(children))
                try:
                    with open(f"/proc/{pid}/cmdline", "rb") as command:
                        words = b" ".join(command.read().split(b"\0")[1:]).decode()
                except OSError:
                    return
                self.say(f"{host.name}: kill -9 of {words}")
                host.signal([pid], signal.SIGKILL)

    def freeze_host(self, chance):
        host = chance.choice(self.chaos.hosts)
        with Taken(host.lock):
            frozen = host.all() if chance.random() < 0.7 else [host.agent]
            seconds = chance.uniform(1.1, 1.5) * SILENCE_SECONDS
            self.say(f"{host.name}: {len(frozen)} processes suspended for {seconds:.0f} s")
            host.signal(frozen, signal.SIGSTOP)
            self.over.wait(seconds)
            host.resume(frozen)
            self.say(f"{host.name}: wakes up")

    def restart_agent(self, chance):
        host = chance.choice(self.chaos.hosts)
        with Taken(host.lock):
            if host.runs and chance.random() < 0.3:
                self.say(f"{host.name}: SIGHUP")
                host.signal([host.agent], signal.SIGHUP)
                return
            self.say(f"{host.name}: SIGTERM")
            self.chaos.end_agent(host)
            self.pause(chance, 0.5, 10)
            host.start()

    def step_clock(self, chance):
        host = chance.choice(self.chaos.hosts)
        with Taken(host.lock):
            if host.offset and chance.random() < 0.5:
                offset = 0
            elif chance.random() < 0.15:
                offset = chance.choice([-9, 9]) * 86400
            else:
                offset = chance.choice([-1, 1]) * 10 ** chance.uniform(0.3, 4)
            self.say(f"{host.name}: the clock steps to {offset:+.1f} s")
            host.set_clock(offset)

    # Servers

    def kill_server(self, chance):
        cluster = chance.choice(self.chaos.clusters)
        with Taken(cluster.lock):
            node = chance.choice(cluster.nodes)
            self.say(f"{cluster.name}: kill -9 of the {cluster.role(node)}")
            node.end(signal.SIGKILL)
            self.pause(chance, 0.5, 20)
            node.start()

    def restart_server(self, chance):
        cluster = chance.choice(self.chaos.clusters)
        with Taken(cluster.lock):
            self.fast_stop(cluster)
            self.pause(chance, 0, 5)
            cluster.primary.start()

    def fast_stop(self, cluster):
        took = cluster.primary.end(signal.SIGINT)
        self.say(f"{cluster.name}: fast stop of the primary, {took:.1f} s")
        if took > FAST_STOP_SECONDS:
            self.chaos.fail(f"{cluster.name}: a fast stop took {took:.0f} s")

    def promote(self, chance):
        cluster = self.chaos.pair
        with Taken(cluster.lock):
            old = cluster.primary
            if chance.random() < 0.5:
                self.fast_stop(cluster)
            else:
                old.end(signal.SIGKILL)
            cluster.promote()
            fork = max(cluster.forks)
            self.say(f"{cluster.name}: the standby is promoted, timeline {fork} ended")
            self.pause(chance, 0, 20)
            old.follow(cluster.primary)
            self.say(f"{cluster.name}: has a new standby")

    def lose_slot(self, chance):
        """Has the server take away WAL the stream still needs, which must be told and mended."""
        cluster = self.chaos.single
        with Taken(cluster.net), Taken(cluster.lock):
            self.say(f"{cluster.name}: its network is cut while much is written")
            self.cut(cluster, "refuse")
            try:
                self.pause(chance, 1, 5)
                for _ in range(3):
                    cluster.primary.sql(BURST, check=False)
                    cluster.primary.sql("checkpoint", check=False)
                status = cluster.primary.sql(
                    "select string_agg(wal_status, ',') from pg_replication_slots", check=False)
                self.say(f"{cluster.name}: its slot is {status or 'not there'}")
            finally:
                self.heal(cluster, chance)

    # Network, disk

    def cut_network(self, chance):
        cluster = chance.choice(self.chaos.clusters)
        with Taken(cluster.net):
            order = chance.choice(["refuse", "silent"])
            seconds = chance.uniform(3, min(150, max(15, self.seconds / 8)))
            self.say(f"{cluster.name}: network cut ({order}) for {seconds:.0f} s")
            self.cut(cluster, order)
            try:
                self.over.wait(seconds)
            finally:
                self.heal(cluster, chance)

    def cut(self, cluster, order):
        for node in cluster.nodes:
            self.chaos.proxy.tell(node.relay, order)

    def heal(self, cluster, chance):
        options = ["reset"] if chance.random() < 0.5 else []
        for node in cluster.nodes:
            self.chaos.proxy.tell(node.relay, "heal", *options)
        self.say(f"{cluster.name}: network healed")

    def fill_disk(self, chance):
        with Taken(self.disk_lock):
            leave = chance.choice([0, 0, 2, 6]) << 20
            taken = self.chaos.disk.fill(leave)
            seconds = chance.uniform(5, min(90, max(20, self.seconds / 10)))
            self.say(f"vault: disk filled with {taken >> 20} MiB for {seconds:.0f} s")
            try:
                self.over.wait(seconds)
            finally:
                self.chaos.disk.free()
                self.say("vault: disk freed")

    # People

    def operator(self, chance):
        """Somebody types a command, and sometimes it dies."""
        words = chance.choice([
            ["vault", "prune"], ["vault", "check", "--level", "seal"], ["status"],
            ["backup", "run-due"], ["wal", "stream", self.chaos.single.name, "--until-caught-up"],
            ["restore", "plan", self.chaos.pair.name], ["vault", "usage"]])
        process = subprocess.Popen(
            [self.chaos.binary, *words], cwd="/", env=environment(self.chaos.environment),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            start_new_session=True, **server_user())
        limit = chance.uniform(0.05, 2) if chance.random() < 0.3 else 300
        try:
            errors = process.communicate(timeout=limit)[1]
            end = f"exit {process.returncode}"
            # 6 would be damage, 1 and signals a bug of the program; the rest the chaos explains.
            if process.returncode in (1, 6) or process.returncode < 0:
                self.chaos.fail(f"{' '.join(words)}: {end}\n{errors}")
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            end = "killed"
            if limit == 300:
                self.chaos.fail(f"{' '.join(words)}: hung for {limit} s")
        self.say(f"operator: {' '.join(words)}: {end}")
