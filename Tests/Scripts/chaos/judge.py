"""What must hold when it is over. Servers and agents are gone; there is the vault, the ledgers
their client kept on its own disk, and where each timeline ended."""

import datetime
import json
import os
import random
import shutil
import signal
import subprocess
import time

from cluster import lsn, lsn_text
from measure import environment, run, server_user

SUMS = "select count(distinct total) from (select sum(abalance) from pgbench_accounts union all " \
    "select sum(bbalance) from pgbench_branches union all select sum(tbalance) from " \
    "pgbench_tellers union all select coalesce(sum(delta), 0) from pgbench_history) sums(total)"
RECOVERY_SECONDS = 300
TARGETS = 10


class Judge:
    def __init__(self, chaos, seed):
        self.chaos = chaos
        self.random = random.Random(f"{seed} targets")
        self.target = f"{chaos.directory}/restored"
        self.port = chaos.port()

    def pgkeep(self, *words, host=None):
        """A command's document; None and a failure on record when it fails."""
        command, drop = (host or self.chaos.hosts[0]).inside([self.chaos.binary, *words, "--json"])
        done = subprocess.run(
            command, cwd="/", stdin=subprocess.DEVNULL, env=environment(self.chaos.environment),
            capture_output=True, text=True, **drop)
        if done.returncode != 0:
            self.chaos.fail(f"{' '.join(words)}: exit {done.returncode}\n{done.stderr}")
            return None
        return json.loads(done.stdout)

    def main(self):
        for check in (self.restores_latest, self.restores_targets, self.gaps_were_named,
                      self.leaves_no_garbage, self.leaves_no_lease):
            try:
                check()
            except (Exception, SystemExit) as error:
                self.chaos.fail(f"{check.__name__}: {type(error).__name__}: {error}")

    # Restores

    def restore(self, cluster, *target):
        """The rows of a copy restored to `target`; None when that failed."""
        shutil.rmtree(self.target, ignore_errors=True)
        if self.pgkeep("restore", "start", cluster.name, "--to-dir", self.target, *target) is None:
            return None
        run([cluster.program("pg_verifybackup"), self.target])
        what = f"{cluster.name} restored to {' '.join(target) or 'the latest'}"
        log = f"{self.chaos.directory}/restored.log"
        with open(log, "wb") as output:
            server = subprocess.Popen(
                [cluster.program("postgres"), "-D", self.target, "-p", str(self.port), "-c",
                 f"unix_socket_directories={cluster.socket}", "-c", "listen_addresses="], cwd="/",
                env=environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, **server_user())
        try:
            return self.rows(cluster, server, what, log)
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait()
            if what not in "\n".join(self.chaos.failures):
                shutil.rmtree(self.target, ignore_errors=True)

    def rows(self, cluster, server, what, log):
        def sql(text):
            return run([cluster.program("psql"), "-XqAt", "-h", cluster.socket, "-p",
                        str(self.port), "-U", "postgres", "-d", "postgres", "-c", text],
                       check=False)

        deadline = time.monotonic() + RECOVERY_SECONDS
        while sql("select pg_is_in_recovery()") != "f":
            if server.poll() is not None or time.monotonic() > deadline:
                self.keep(what, log)
                self.chaos.fail(f"{what}: the copy does not come up, see {log}")
                return None
            time.sleep(0.2)
        if sql(SUMS) != "1":
            self.keep(what, log)
            self.chaos.fail(f"{what}: pgbench's sums differ")
        return {int(number) for number in sql("select id from ledger").split()}

    def keep(self, what, log):
        kept = f"{self.chaos.directory}/failed-{len(self.chaos.failures)}.log"
        shutil.copy(log, kept)
        self.chaos.say(f"{what}: log kept as {kept}")

    def restores_latest(self):
        for cluster in self.chaos.clusters:
            ledger = cluster.ledger.acknowledged
            found = self.restore(cluster)
            if found is None:
                continue
            newest = max(cluster.forks, default=0) + 1
            lost = [row for row in ledger if row.number not in found]
            off = [row for row in lost if self.is_due(cluster, row, newest) is not True]
            for row in lost:
                if row not in off:
                    self.chaos.fail(f"{cluster.name}: acknowledged row {row.number} is not in the "
                                    f"latest restore: {self.words(row)}")
            # What a failover left behind lies on the timeline it was acknowledged on.
            for timeline in sorted({row.timeline for row in off} - {None, newest}):
                kept = self.restore(cluster, "--timeline", str(timeline)) or set()
                for row in list(off):
                    if row.number in kept:
                        off.remove(row)
            for row in off:
                self.chaos.fail(f"{cluster.name}: acknowledged row {row.number} is in no restore: "
                                f"{self.words(row)}")
            self.chaos.sum(f"{cluster.name}: {len(ledger)} commits acknowledged, "
                           f"{len(found)} rows in the latest restore, {len(lost)} on older "
                           f"timelines, {newest - 1} promotions; longest time without an "
                           f"acknowledgement {longest_pause(ledger):.0f} s")

    def is_due(self, cluster, row, timeline, position=None):
        """True when a row must be there at `position` (the end if None) of a timeline's history,
        False when it must not, None when it may."""
        if row.timeline is None or row.low is None:
            return None
        ends = [end for left, end in cluster.forks.items() if row.timeline <= left < timeline]
        ends += [] if position is None else [position]
        if not ends or row.high <= min(ends):
            return True
        return False if row.low >= min(ends) else None

    def words(self, row):
        return f"timeline {row.timeline}, {lsn_text(row.low)} to {lsn_text(row.high or 0)}, " \
            f"{stamp(row.acknowledged)}"

    def restores_targets(self):
        done = 0
        for number in range(TARGETS):
            cluster = self.chaos.clusters[number % len(self.chaos.clusters)]
            window = self.pgkeep("window", "show", cluster.name)
            newest = max(cluster.forks, default=0) + 1
            spans = [span for span in (window or {}).get("intervals", [])
                     if span["timeline"] == newest and not span.get("island")]
            if not spans:
                self.chaos.fail(f"{cluster.name}: no interval on timeline {newest}: {window}")
                continue
            span = self.random.choices(spans, [width(span) for span in spans])[0]
            kind = self.random.choice(["--time", "--time", "--lsn"])
            done += self.restores_target(cluster, newest, span, kind)
        self.chaos.sum(f"{done} of {TARGETS} random targets restored right")

    def restores_target(self, cluster, newest, span, kind):
        failures = len(self.chaos.failures)
        if kind == "--time":
            moment = self.random.uniform(seconds(span["earliest"]), seconds(span["latest"]))
            found = self.restore(cluster, kind, stamp(moment))

            def due(row):
                there = self.is_due(cluster, row, newest)
                if row.sent > moment or there is False:
                    return False
                return there if row.acknowledged and row.acknowledged <= moment else None
            words = stamp(moment)
        else:
            position = self.random.randint(lsn(span["earliest_lsn"]), lsn(span["latest_lsn"]))
            words = lsn_text(position)
            found = self.restore(cluster, kind, words)

            def due(row):
                return self.is_due(cluster, row, newest, position)
        if found is None:
            return 0
        for row in cluster.ledger.rows:
            must = due(row)
            if must is not None and must is not (row.number in found):
                self.chaos.fail(f"{cluster.name} at {words}: row {row.number} is "
                                f"{'missing' if must else 'too much'}: {self.words(row)}")
                break
        return int(len(self.chaos.failures) == failures)

    # The vault

    def gaps_were_named(self):
        gaps = [(cluster, gap) for cluster in self.chaos.clusters
                for gap in (self.pgkeep("window", "show", cluster.name) or {}).get("gaps", [])]
        for cluster, gap in gaps:
            if not self.chaos.listener.named(cluster.name, gap):
                self.chaos.fail(f"{cluster.name}: no alarm named the gap {gap}")
        told = len(self.chaos.listener.told)
        self.chaos.sum(f"{len(gaps)} gaps in the windows, {told} alarms were heard")

    def leaves_no_garbage(self):
        # Each host knows of its own dead at once, of others' after an hour.
        for host in self.chaos.hosts:
            self.pgkeep("vault", "prune", host=host)
        self.pgkeep("vault", "prune")
        left = self.pgkeep("vault", "prune", "--dry-run")
        if left is None or left["dropped_bytes"] or left["failed"]:
            self.chaos.fail(f"there is something left to prune: {left}")
        self.pgkeep("vault", "check", "--level", "decode")
        points = ", ".join(f"{len(self.pgkeep('backup', 'list', cluster.name))} of {cluster.name}"
                           for cluster in self.chaos.clusters)
        self.chaos.sum(f"nothing left to prune, the check is clean, points: {points}")

    def leaves_no_lease(self):
        for directory, _, names in os.walk(self.chaos.vault):
            if names and f"{os.sep}lease" in directory:
                self.chaos.fail(f"leases of the dead: {directory}: {sorted(names)}")


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def stamp(moment):
    return datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).isoformat()


def longest_pause(rows):
    times = [row.acknowledged for row in rows]
    return max((later - earlier for earlier, later in zip(times, times[1:])), default=0)


def width(span):
    return max(1, lsn(span["latest_lsn"]) - lsn(span["earliest_lsn"]))
