import ArgumentParser
import Domain
import Engine
import Vaulting

/// `vault quota`
struct VaultQuota: Verb {
    static let configuration = CommandConfiguration(
        commandName: "quota",
        abstract: "Show or set how much of the vault an instance may take.",
        discussion: """
            Passing the quota is said after each backup, in status and in vault usage; no backup \
            is ever dropped or refused for it. Without a value it shows the quota: 100% of the \
            source's size unless it was set.

              pgkeep vault quota main
              pgkeep vault quota main 150%
              pgkeep vault quota main 500GiB
            """
    )

    @OptionGroup var instance: NameArgument

    @Argument(
        help: ArgumentHelp("A share of the source's size, or a size.", valueName: "quota")
    )
    var value: String?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    struct Answer: Encodable {
        var instance: InstanceName
        var quota: StorageQuota
    }

    func answer(_ session: Session) throws -> Answer {
        let wanted = try value.map(Self.quota)
        let context = try session.context()
        let record = try Instances.find(context, instance.name)
        if let wanted {
            let old = try Quota.read(context, record)
            try Quota.set(context, record, to: wanted)
            try ActivityLog(context.vault, context.clock).append(
                action: "quota-set",
                instance: record.name,
                details: ["old": old.description, "new": wanted.description]
            )
        }
        return Answer(instance: record.name, quota: try Quota.read(context, record))
    }

    private static func quota(_ text: String) throws(PgkeepError) -> StorageQuota {
        if text.hasSuffix("%") {
            guard let share = StorageQuota(text) else {
                throw PgkeepError(
                    .usage,
                    "\(text) is no quota",
                    hint: "give 1% to 100000%, or a size like 500GiB"
                )
            }
            return share
        }
        return .bytes(try Limits.bytes(text, "quota"))
    }

    func lines(_ answer: Answer) -> [String] {
        ["The quota of \(answer.instance) is \(UsageText.share(answer.quota))."]
    }
}
