import ArgumentParser
import Domain
import Engine
import Vaulting

/// `instance lock`
struct InstanceLock: Verb {
    static let configuration = CommandConfiguration(
        commandName: "lock",
        abstract: "Lock an instance against deleting or changing it.",
        discussion: """
            With --level delete, nobody can stop or delete it, delete a point of it, or shorten \
            what its policy keeps, before the lock is taken off. With --level readonly, nobody can \
            change anything else of it either. Backups, WAL and expiry go on.

              pgkeep instance lock main --level delete
            """
    )

    @OptionGroup var instance: NameArgument

    @Option(
        help: ArgumentHelp(
            "What to forbid: \(Choice.list(InstanceRecord.LockLevel.self)).",
            valueName: "level"
        )
    )
    var level = InstanceRecord.LockLevel.delete.rawValue

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> LifecycleAnswer {
        let level: InstanceRecord.LockLevel = try Choice.parse(level, "--level")
        let context = try session.context()
        return LifecycleAnswer(
            try LockInstance(context: context, name: instance.name, level: level).run()
        )
    }

    func lines(_ answer: LifecycleAnswer) -> [String] { answer.lines }
}

/// `instance unlock`
struct InstanceUnlock: Verb {
    static let configuration = CommandConfiguration(
        commandName: "unlock",
        abstract: "Take the lock off an instance.",
        discussion: """
            Needs a yes: typed on the terminal, or --yes.

              pgkeep instance unlock main
            """
    )

    @OptionGroup var instance: NameArgument
    @OptionGroup var confirmation: Confirmation
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> LifecycleAnswer {
        let name = try instance.name
        let context = try session.context()
        let record = try Instances.findAny(context, name)
        if let lock = record.lock {
            try confirmation.ask(
                session,
                "The lock (\(lock.rawValue)) of \(name) is taken off.",
                word: name.description
            )
        }
        return LifecycleAnswer(
            try LockInstance(context: context, name: name, level: nil).run()
        )
    }

    func lines(_ answer: LifecycleAnswer) -> [String] { answer.lines }
}
