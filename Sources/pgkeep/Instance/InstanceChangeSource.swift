import ArgumentParser
import Domain
import Engine
import Vaulting

/// `instance change-source`
struct InstanceChangeSource: Verb {
    static let configuration = CommandConfiguration(
        commandName: "change-source",
        abstract: "Change how an instance's servers are reached and used.",
        discussion: """
            An instance may have several servers: a primary and its standbys, in any number. Which \
            one WAL is streamed from and backups are taken from says an order of roles: primary, \
            standby, both with the better one first, or any (as they were added). With one role \
            alone the other is never used. A running stream takes changes up when it next connects.

            --give-up-slot-at keeps a server alive whose disk would fill with WAL for a vault that \
            does not take it: a slot that keeps more than this is dropped, which leaves a gap in \
            the recovery window.

              pgkeep instance change-source main --add "host=db2 user=backup"
              pgkeep instance change-source main --wal-from standby,primary --base-from primary
              pgkeep instance change-source main --give-up-slot-at 50GB
            """
    )

    @OptionGroup var instance: NameArgument

    @Option(
        help: ArgumentHelp(
            "The first address, of the same server or a peer.",
            valueName: "conninfo"
        )
    )
    var source: String?

    @Option(
        name: .customLong("add"),
        help: ArgumentHelp("A further address; may be repeated.", valueName: "conninfo")
    )
    var added: [String] = []

    @Option(
        name: .customLong("remove"),
        help: ArgumentHelp("An address to forget, as instance show has it.", valueName: "conninfo")
    )
    var removed: [String] = []

    @Option(help: ArgumentHelp("Where WAL is streamed from.", valueName: "order"))
    var walFrom: String?

    @Option(help: ArgumentHelp("Where backups are taken from.", valueName: "order"))
    var baseFrom: String?

    @Option(
        help: ArgumentHelp(
            "Drop the slot when it keeps more WAL on the server; \"never\": keep it.",
            valueName: "size"
        )
    )
    var giveUpSlotAt: String?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> InstanceRecord {
        var wishes = ChangeSource.Wishes()
        wishes.source = source
        wishes.added = added
        wishes.removed = removed
        wishes.walFrom = try walFrom.map { try Self.order($0, "--wal-from") }
        wishes.baseFrom = try baseFrom.map { try Self.order($0, "--base-from") }
        wishes.giveUpSlotBytes = try giveUpSlotAt.map {
            $0 == "never" ? 0 : try Limits.bytes($0, "--give-up-slot-at")
        }
        guard !wishes.isEmpty else {
            throw PgkeepError(
                .usage,
                "nothing is to change",
                hint: "see pgkeep instance change-source --help"
            )
        }
        return try ChangeSource(
            context: session.context(),
            name: instance.name,
            wishes: wishes
        ).run()
    }

    private static func order(_ text: String, _ option: String) throws -> SourceOrder {
        guard let order = SourceOrder(text) else {
            throw PgkeepError(
                .usage,
                "\(option) \(text) is no order of servers",
                hint: "give primary, standby, standby,primary, primary,standby or any"
            )
        }
        return order
    }

    func lines(_ answer: InstanceRecord) -> [String] { SourceText.lines(answer) }
}

/// How an instance's servers are used, in words.
enum SourceText {
    static func lines(_ record: InstanceRecord) -> [String] {
        var facts = Facts()
        facts.add("source", record.source)
        for endpoint in record.endpoints { facts.add("also at", endpoint) }
        facts.add("WAL from", record.walFrom.description)
        facts.add("backups from", record.baseFrom.description)
        facts.add(
            "slot given up at",
            record.giveUpSlotBytes.map(Wording.bytes) ?? "never"
        )
        return facts.lines
    }
}
