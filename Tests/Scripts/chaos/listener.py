"""Who watches the alerts: asks for them every few seconds, and keeps whatever they ever said."""

import json
import re
import threading

from cluster import lsn

RANGE = r"WAL ([0-9A-F]+/[0-9A-F]+) to ([0-9A-F]+/[0-9A-F]+)"


class Listener:
    def __init__(self, chaos, path):
        self.chaos, self.path = chaos, path
        self.told = {}
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stopping.wait(3):
            self.look()

    def look(self):
        answer = self.chaos.document("alert", "list", "--all")
        for alert in (answer or {}).get("alerts", []):
            key = (alert["id"], alert["summary"], alert["opened_at"])
            if key not in self.told:
                self.told[key] = alert
                with open(self.path, "a") as file:
                    file.write(json.dumps(alert) + "\n")
                if alert["state"] != "pending":
                    self.chaos.say(f"alarm {alert['severity']}: {alert['id']}: {alert['summary']}")

    def named(self, instance, gap):
        """Whether alarms that were open named all of a gap."""
        at, end = lsn(gap["from_lsn"]), lsn(gap["to_lsn"])
        ranges = sorted((lsn(found[1]), lsn(found[2])) for alert in self.told.values()
                        if alert["instance"] == instance and alert["openings"]
                        and (found := re.search(RANGE, alert["summary"])))
        for first, last in ranges:
            if first <= at < last:
                at = last
        return at >= end

    def stop(self):
        if not self.stopping.is_set():
            self.stopping.set()
            self.thread.join()
            self.look()
