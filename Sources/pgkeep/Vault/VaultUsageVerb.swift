import ArgumentParser
import Engine

/// `vault usage`
struct VaultUsageVerb: Verb {
    static let configuration = CommandConfiguration(
        commandName: "usage",
        abstract: "Show what the vault takes, by instance and recovery point.",
        discussion: """
            What a point stored is what it added to the vault; pages it shares with an older \
            point are counted there.

              pgkeep vault usage --json
            """
    )

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> UsageReport {
        try UsageReport.read(session.context())
    }

    func lines(_ answer: UsageReport) -> [String] {
        var table = Table(
            ["INSTANCE", "POINTS", "BASE", "WAL", "OTHER", "TOTAL"],
            numbers: [1, 2, 3, 4, 5]
        )
        for instance in answer.instances {
            table.add([
                instance.name, String(instance.points.count), Wording.bytes(instance.baseBytes),
                Wording.bytes(instance.walBytes), Wording.bytes(instance.metaBytes),
                Wording.bytes(instance.totalBytes),
            ])
        }
        let free = answer.freeBytes.map { ", \(Wording.bytes($0)) free" } ?? ""
        let objects = Wording.count(answer.objects, "object")
        return table.lines + ["\(Wording.bytes(answer.totalBytes)) in \(objects)\(free)"]
    }
}
