import ArgumentParser
import Domain
import Engine

/// The group of commands that keep points from going before their time.
struct VaultImmutabilityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "immutability",
        abstract: "Forbid on all hosts that points go before their time.",
        discussion: """
            Points expire as promised, and in no other way: no point can be deleted, no policy \
            shortened, no hold released, no instance's data deleted. It guards against pgkeep's \
            own commands; who can write to the vault's storage by other means must be kept from it.
            """,
        subcommands: [
            VaultImmutabilityShow.self, VaultImmutabilityEnable.self, VaultImmutabilityLock.self,
            VaultImmutabilityDisable.self,
        ]
    )

    static func lines(_ answer: Immutability) -> [String] {
        var line = "Immutability is \(answer.state.rawValue)"
        if let since = answer.since { line += " since \(Wording.time(since))" }
        if let by = answer.by { line += ", set by \(by)" }
        if let from = answer.lockedFrom {
            line += "; it cannot be taken back from \(Wording.time(from)) on"
        }
        return [line + "."]
    }
}

/// `vault immutability show`
struct VaultImmutabilityShow: Verb {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Say whether it is off, enabled or locked.",
        discussion: """
              pgkeep vault immutability show --json
            """
    )

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> Immutability { try .read(session.context()) }

    func lines(_ answer: Immutability) -> [String] { VaultImmutabilityCommand.lines(answer) }
}

/// `vault immutability enable`
struct VaultImmutabilityEnable: Verb {
    static let configuration = CommandConfiguration(
        commandName: "enable",
        abstract: "Switch it on; it can be switched off again.",
        discussion: """
              pgkeep vault immutability enable
            """
    )

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> Immutability {
        try .set(session.context(), .enabled)
    }

    func lines(_ answer: Immutability) -> [String] { VaultImmutabilityCommand.lines(answer) }
}

/// `vault immutability lock`
struct VaultImmutabilityLock: Verb {
    static let configuration = CommandConfiguration(
        commandName: "lock",
        abstract: "Make it irrevocable.",
        discussion: """
            For three days the lock can still be taken back, by switching immutability off. After \
            that nobody can, ever.

              pgkeep vault immutability lock
            """
    )

    @OptionGroup var confirmation: Confirmation
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> Immutability {
        let context = try session.context()
        try confirmation.ask(
            session,
            "In \(Immutability.graceDays) days nobody can switch immutability off any more.",
            word: "lock"
        )
        return try .set(context, .locked)
    }

    func lines(_ answer: Immutability) -> [String] { VaultImmutabilityCommand.lines(answer) }
}

/// `vault immutability disable`
struct VaultImmutabilityDisable: Verb {
    static let configuration = CommandConfiguration(
        commandName: "disable",
        abstract: "Switch it off, unless it is locked for good.",
        discussion: """
              pgkeep vault immutability disable
            """
    )

    @OptionGroup var confirmation: Confirmation
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> Immutability {
        let context = try session.context()
        try confirmation.ask(
            session,
            "Points can be deleted before their time again.",
            word: "disable"
        )
        return try .set(context, .off)
    }

    func lines(_ answer: Immutability) -> [String] { VaultImmutabilityCommand.lines(answer) }
}
