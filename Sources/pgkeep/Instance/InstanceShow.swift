import ArgumentParser
import Domain
import Engine
import Vaulting

/// `instance show`
struct InstanceShow: Verb {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one instance.",
        discussion: """
            How it is reached, its replication slot, and what the vault holds of it.

              pgkeep instance show main
            """
    )

    @OptionGroup var instance: NameArgument
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> InstanceDescription {
        try InstanceDescription.read(session.context(), instance.name)
    }

    func lines(_ answer: InstanceDescription) -> [String] {
        let record = answer.instance
        var facts = Facts()
        facts.add("name", record.name.description)
        facts.add("state", record.state.rawValue)
        facts.add("stopped", record.stoppedAt.map(Wording.time))
        facts.add("because", record.stopReason?.rawValue)
        facts.add("deleted by", record.trash.map { "\($0.by), \($0.reason.rawValue)" })
        facts.add("comment", record.trash?.comment)
        facts.add("deleted for good", record.trash.map { Wording.time($0.purgeAt) })
        facts.add("lock", record.lock?.rawValue)
        facts.add("policy", record.policy)
        facts.add("source", record.source)
        for endpoint in record.endpoints { facts.add("also at", endpoint) }
        facts.add("WAL from", record.walFrom == .any ? nil : record.walFrom.description)
        facts.add("backups from", record.baseFrom == .any ? nil : record.baseFrom.description)
        facts.add("slot", record.slot)
        facts.add("slot given up at", record.giveUpSlotBytes.map(Wording.bytes))
        facts.add("version", record.serverVersion.description)
        facts.add("system identifier", record.systemIdentifier.description)
        facts.add("WAL segments", Wording.bytes(record.segmentSize.bytes))
        facts.add("added", Wording.time(record.createdAt))
        for (key, value) in record.labels.sorted(by: { $0.key < $1.key }) {
            facts.add("label \(key)", value)
        }
        facts.add("recovery points", String(answer.points))
        facts.add("last one", answer.lastPoint.map { "\($0.id)  \(Wording.time($0.finishedAt))" })
        return facts.lines
    }
}
