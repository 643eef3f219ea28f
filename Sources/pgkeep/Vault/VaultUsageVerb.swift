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
            the mean of the last week. With a price, what lies beyond an instance's quota is \
            given as what it would cost: 1 GiB kept for a month is the unit.

              pgkeep vault usage
              pgkeep vault usage --price 0.095 --json
            """
    )

    @Option(
        help: ArgumentHelp("The price of a GiB beyond the quota for a month.", valueName: "price")
    )
    var price: Double?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> UsageReport {
        try Limits.checkPrice(price)
        return try UsageReport.read(session.context(), price: price)
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
                [Self.title(instance), String(instance.points.count)]
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
        lines += [""] + UsageText.quotas(answer)
        let free = answer.freeBytes.map { ", \(Wording.bytes($0)) free" } ?? ""
        let objects = Wording.count(answer.objects, "object")
        return lines + ["", "\(Wording.bytes(answer.totalBytes)) in \(objects)\(free)"]
    }

    /// A stopped instance takes space like any other, and should be seen to.
    private static func title(_ instance: UsageReport.Instance) -> String {
        guard instance.state != "active" else { return instance.name }
        return "\(instance.name) (\(instance.state ?? "no record"))"
    }
}
