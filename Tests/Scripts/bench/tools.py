"""The tools compared. Each can take a full backup, catch up with WAL, restore, and give a segment;
what a tool cannot do is None."""

import glob
import json
import os
import shutil

from measure import measure, run, time_each, tree_bytes


def absent(path):
    """The path without a file, as the server makes sure of before it asks for a segment."""
    if os.path.exists(path):
        os.remove(path)
    return path


class Floor:
    """The server's own stream thrown away: nothing that goes through it can be faster."""
    name = "stream to nowhere"

    def __init__(self, server, directory, client):
        self.server, self.client = server, client

    def backup(self):
        command = self.client("pg_basebackup") + [
            "-d", self.server.conninfo, "-Ft", "-X", "none", "-c", "fast", "-D", "-"]
        quoted = " ".join(f"'{word}'" for word in command)
        return {**measure(["/bin/sh", "-c", f"{quoted} 2>/dev/null >/dev/null"]), "stored": 0}


class BaseBackup:
    """pg_basebackup and pg_receivewal with LZ4 in the client."""
    name = "pg_basebackup lz4"
    wal_name = "pg_receivewal lz4"

    def __init__(self, server, directory, client):
        self.server, self.client = server, client
        self.target = f"{directory}/basebackup"
        self.archive = f"{directory}/receivewal"
        self.slot = "bench_receivewal"

    def prepare(self):
        self.server.sql(f"select pg_create_physical_replication_slot('{self.slot}')")

    def backup(self):
        shutil.rmtree(self.target, ignore_errors=True)
        cost = measure(self.client("pg_basebackup") + [
            "-d", self.server.conninfo, "-Ft", "--compress=client-lz4", "-X", "stream",
            "-c", "fast", "-D", self.target])
        return {**cost, "stored": tree_bytes(self.target)}

    def incremental(self):
        if self.server.major < 17:
            return None
        before, self.target = self.target, self.target + "+"
        cost = measure(self.client("pg_basebackup") + [
            "-d", self.server.conninfo, "-Ft", "--compress=client-lz4", "-X", "stream",
            "-c", "fast", "-D", self.target, "--incremental", f"{before}/backup_manifest"])
        return {**cost, "stored": tree_bytes(self.target)}

    def before_wal(self):
        shutil.rmtree(self.archive, ignore_errors=True)
        run(["mkdir", self.archive])
        self.server.sql(f"select pg_drop_replication_slot('{self.slot}')")
        self.server.sql(f"select pg_create_physical_replication_slot('{self.slot}', true)")

    def catch_up(self, wal):
        cost = measure(self.client("pg_receivewal") + [
            "-d", self.server.conninfo, "-D", self.archive, "-S", self.slot, "--compress=lz4",
            "--no-loop", "--endpos", wal["end"]])
        return {**cost, "stored": tree_bytes(self.archive)}


class PgBackRest:
    """pgBackRest: LZ4, AES-256-CBC, bundles, block incremental, two processes."""
    name = "pgBackRest"
    wal_name = "pgBackRest archive-push async"
    fetch_name = "pgBackRest archive-get"

    def __init__(self, server, directory, binary):
        self.server = server
        self.base = f"{directory}/pgbackrest"
        self.restored = f"{directory}/pgbackrest-restored"
        self.binary = binary
        self.configuration = f"{self.base}/pgbackrest.conf"

    def command(self, *arguments):
        return [self.binary, f"--config={self.configuration}", "--stanza=bench",
                "--log-level-console=warn", "--log-level-file=off", *arguments]

    def prepare(self):
        run(["mkdir", self.base])
        with open(self.configuration, "w") as file:
            file.write(f"""[global]
repo1-path={self.base}/repo
repo1-cipher-type=aes-256-cbc
repo1-cipher-pass=Yk3uC2pV7mQ9rT4xZ8wB1nL6
repo1-bundle=y
repo1-block=y
repo1-retention-full=2
compress-type=lz4
process-max=2
start-fast=y
archive-async=y
archive-push-queue-max=100GiB
spool-path={self.base}/spool
lock-path={self.base}/lock
log-path={self.base}
[bench]
pg1-path={self.server.data}
pg1-socket-path={self.server.socket}
pg1-port={self.server.port}
pg1-user=postgres
""")
        os.chmod(self.configuration, 0o644)
        run(self.command("stanza-create"))
        self.archive_for_real()

    def archive_for_real(self):
        push = " ".join(self.command("--no-archive-async", "archive-push"))
        self.server.set("archive_command", f"{push} \"%p\"")

    def backup(self, kind="full"):
        before = tree_bytes(f"{self.base}/repo/backup")
        cost = measure(self.command(f"--type={kind}", "--no-expire-auto", "backup"))
        return {**cost, "stored": tree_bytes(f"{self.base}/repo/backup") - before}

    def incremental(self):
        return self.backup("incr")

    def restore(self):
        shutil.rmtree(self.restored, ignore_errors=True)
        run(["mkdir", "-m", "700", self.restored])
        cost = measure(self.command(f"--pg1-path={self.restored}", "--type=immediate", "restore"))
        result = {**cost, "stored": tree_bytes(self.restored)}
        shutil.rmtree(self.restored)
        return result

    def before_wal(self):
        # From here on segments pile up as they do behind a slow archive, until `catch_up`.
        self.server.set("archive_command", "false")

    def catch_up(self, wal):
        before = tree_bytes(f"{self.base}/repo/archive")
        segments = [name for name in self.server.ready_segments() if name <= wal["last"]]
        push = " ".join(f"'{word}'" for word in self.command("archive-push"))
        script = f"cd '{self.server.data}' && for name in {' '.join(segments)}; do " \
            f"{push} pg_wal/$name || exit 1; done"
        cost = measure(["/bin/sh", "-c", script])
        return {**cost, "stored": tree_bytes(f"{self.base}/repo/archive") - before}

    def after_wal(self):
        self.server.mark_archived()
        self.archive_for_real()

    def fetch(self, segments, directory):
        target = absent(f"{directory}/fetched-pgbackrest")
        return time_each([self.command("--no-archive-async", "archive-get", name, target)
                          for name in segments])


class Pgkeep:
    """This program."""
    name = "pgkeep"
    wal_name = "pgkeep wal stream"
    fetch_name = "pgkeep wal fetch"

    def __init__(self, server, directory, binary, vault="vault", instance="bench", source=None):
        self.server = server
        self.directory = directory
        self.binary = binary
        self.vault = f"{directory}/{vault}"
        self.instance = instance
        self.source = source or server.conninfo
        self.restored = f"{directory}/pgkeep-restored"
        self.environment = {
            "PGKEEP_VAULT": self.vault, "PGKEEP_KEY_FILE": f"{directory}/{vault}.key"}

    def beside(self, vault, instance, source=None):
        """The same program with another vault, for the same server."""
        return Pgkeep(self.server, self.directory, self.binary, vault, instance, source)

    def run(self, *arguments):
        return run([self.binary, *arguments], self.environment)

    def measure(self, *arguments):
        return measure([self.binary, *arguments], self.environment)

    def prepare(self):
        self.run("vault", "init")
        self.run("instance", "add", self.instance, "--source", self.source,
                 "--no-initial-backup")
        self.run("wal", "stream", self.instance, "--until-caught-up")

    def backup(self):
        # A vault of its own each time: the second backup into one would store nothing new.
        self.renew()
        return self.incremental()

    def incremental(self):
        before = tree_bytes(self.vault)
        cost = self.measure("backup", "create", self.instance)
        return {**cost, "stored": tree_bytes(self.vault) - before}

    def points(self):
        points = json.loads(self.run("backup", "list", self.instance, "--json"))
        return points.get("points", points) if isinstance(points, dict) else points

    def renew(self):
        self.server.sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots"
                        " where slot_name like 'pgkeep%'")
        shutil.rmtree(self.vault, ignore_errors=True)
        for path in glob.glob(self.environment["PGKEEP_KEY_FILE"] + "*"):
            os.remove(path)
        self.prepare()

    def restore(self):
        shutil.rmtree(self.restored, ignore_errors=True)
        cost = self.measure("restore", "start", self.instance, "--to-dir", self.restored,
                            "--point", self.points()[-1]["id"])
        result = {**cost, "stored": tree_bytes(self.restored)}
        shutil.rmtree(self.restored)
        return result

    def before_wal(self):
        self.run("wal", "stream", self.instance, "--until-caught-up")

    def catch_up(self, wal):
        before = tree_bytes(self.vault)
        cost = self.measure("wal", "stream", self.instance, "--until-caught-up")
        return {**cost, "stored": tree_bytes(self.vault) - before}

    def fetch(self, segments, directory):
        target = absent(f"{directory}/fetched-pgkeep")
        return time_each([[self.binary, "wal", "fetch", self.instance, name, target]
                          for name in segments], self.environment)
