import Domain
import Engine

/// Recovery points in words.
enum PointText {
    /// One line for a point just made.
    static func made(_ point: RecoveryPoint) -> String {
        let seconds = point.finishedAt.seconds(since: point.startedAt)
        return "Recovery point \(point.id): \(Wording.count(point.files, "file")), "
            + "\(Wording.bytes(point.logicalBytes)), stored as \(Wording.bytes(point.storedBytes)) "
            + "in \(Wording.duration(seconds))."
    }

    static func table(_ points: [ProvenPoint]) -> [String] {
        var table = Table(
            [
                "ID", "FINISHED (UTC)", "TRIGGER", "STATE", "STOP LSN", "TLI", "SIZE", "STORED",
                "EXPIRES (UTC)", "PROVEN", "NAME",
            ],
            numbers: [5, 6, 7]
        )
        for listed in points {
            let point = listed.point
            table.add([
                point.id.description, Wording.time(point.finishedAt), point.trigger.rawValue,
                point.state.rawValue, point.stopLSN.description, String(point.timeline),
                Wording.bytes(point.logicalBytes), Wording.bytes(point.storedBytes),
                point.expiresAt.map(Wording.time) ?? "", proven(listed.proof),
                point.name ?? "",
            ])
        }
        return table.lines
    }

    private static func proven(_ proof: PointProof?) -> String {
        proof.map { $0.isSound ? $0.level?.rawValue ?? "" : "UNSOUND" } ?? ""
    }

    static func facts(_ point: RecoveryPoint, _ proof: PointProof? = nil) -> [String] {
        var facts = Facts()
        facts.add("id", point.id.description)
        facts.add("instance", "\(point.instance) (system identifier \(point.systemIdentifier))")
        facts.add("name", point.name)
        facts.add("state", point.state.rawValue)
        facts.add("trigger", point.trigger.rawValue)
        facts.add("method", point.method.rawValue)
        facts.add("parent", point.parent?.description)
        facts.add("started", Wording.time(point.startedAt))
        facts.add("finished", Wording.time(point.finishedAt))
        facts.add("restorable from", Wording.time(point.consistentAt))
        facts.add("WAL", "\(point.startLSN) to \(point.stopLSN) on timeline \(point.timeline)")
        facts.add(
            "server",
            "PostgreSQL \(point.serverVersion)" + (point.fromStandby ? ", a standby" : "")
        )
        facts.add("data checksums", point.dataChecksums ? "on" : "off")
        facts.add(
            "content",
            "\(Wording.count(point.files, "file")), \(Wording.bytes(point.logicalBytes)), "
                + "\(Wording.count(point.pagesTotal, "page"))"
        )
        facts.add(
            "added to the vault",
            "\(Wording.bytes(point.storedBytes)), \(Wording.count(point.pagesNew, "page"))"
        )
        for tablespace in point.tablespaces {
            facts.add("tablespace \(tablespace.oid)", tablespace.path)
        }
        for failure in point.checksumFailures { facts.add("damaged page", failure.message) }
        facts.add(
            "proven",
            proof.map { "\(proven($0)) at \(Wording.time($0.at)) by drill \($0.drill)" } ?? "never"
        )
        facts.add("expires", point.expiresAt.map(Wording.time))
        facts.add(
            "policy",
            point.policy.map { "\($0.name), \(Wording.count($0.retentionDays, "day"))" }
        )
        facts.add("kept by its rule", point.policy.map(\.rule.rawValue))
        facts.add("wanted until", point.keepUntil.map(Wording.time))
        facts.add("label", point.label.isEmpty ? nil : point.label)
        facts.add("note", point.note.isEmpty ? nil : point.note)
        return facts.lines
    }
}
