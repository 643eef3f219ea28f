import ArgumentParser
import Domain
import Engine

/// `vault usage`
struct VaultUsageVerb: Verb {
    static let configuration = CommandConfiguration(
        commandName: "usage",
        abstract: "Show what the vault takes, by instance and recovery point.",
        discussion: """
            What a point stored is what it added to the vault; pages it shares with an older \
            point are counted there. Its own bytes are those nothing else needs: deleting the \
            point alone frees them. Growth is what backups after the first and WAL add in a day, \
            the mean of the last week.

              pgkeep vault usage
              pgkeep vault usage --json
            """
    )

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> UsageReport {
        try UsageReport.read(session.context())
    }

    func lines(_ answer: UsageReport) -> [String] {
        var table = Table(
            [
                "INSTANCE", "POINTS", "LOGICAL", "PAGES", "MAPS", "UNUSED", "WAL", "OTHER", "TOTAL",
                "PER DAY",
            ],
            numbers: Set(1...9)
        )
        for instance in answer.instances {
            table.add(
                [instance.name, String(instance.points.count)]
                    + [
                        instance.logicalBytes, instance.pageBytes, instance.mapBytes,
                        instance.unreferencedBytes, instance.walBytes,
                        instance.historyBytes + instance.controlBytes, instance.totalBytes,
                        instance.growthPerDay,
                    ].map(Wording.bytes)
            )
        }
        var lines = table.lines
        for instance in answer.instances where !instance.points.isEmpty {
            var points = Table(
                ["POINT OF \(instance.name)", "FINISHED", "LOGICAL", "STORED", "OWN"],
                numbers: [2, 3, 4]
            )
            for point in instance.points {
                points.add([
                    point.id.description, Wording.time(point.finishedAt),
                    Wording.bytes(point.logicalBytes), Wording.bytes(point.storedBytes),
                    Wording.bytes(point.ownBytes),
                ])
            }
            lines += [""] + points.lines
        }
        let free = answer.freeBytes.map { ", \(Wording.bytes($0)) free" } ?? ""
        let objects = Wording.count(answer.objects, "object")
        return lines + ["", "\(Wording.bytes(answer.totalBytes)) in \(objects)\(free)"]
    }
}
