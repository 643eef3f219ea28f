import ArgumentParser
import Domain
import Engine
import Platform
import Vaulting

/// `notify mute`
struct NotifyMute: Verb {
    static let configuration = CommandConfiguration(
        commandName: "mute",
        abstract: "Keep notifications back for a span of time.",
        discussion: """
            Alerts open and resolve all the same. What is still open when the span ends is told \
            then; what was over meanwhile is not. What concerns security is never kept back, and \
            is told that notifications were muted.

              pgkeep notify mute --from 2026-03-14T22:00Z --to 2026-03-15T02:00Z --instance main
            """
    )

    @Option(help: ArgumentHelp("When it begins (else: now).", valueName: "time"))
    var from: String?

    @Option(help: ArgumentHelp("When it ends.", valueName: "time"))
    var to: String

    @Option(help: ArgumentHelp("Only this channel.", valueName: "name"))
    var channel: String?

    @Option(help: ArgumentHelp("Only what is about this instance.", valueName: "name"))
    var instance: String?

    @Option(help: ArgumentHelp("Why.", valueName: "text"))
    var comment: String?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> Channels.Mute {
        let mute = AlertMute(
            from: try from.map { try Self.time($0, "--from") } ?? session.clock.now,
            to: try Self.time(to, "--to"),
            channel: channel,
            instance: try instance.map { try InstanceName(checking: $0) },
            by: ActivityLog.actor,
            comment: comment.map(Redaction.withoutPasswords)
        )
        return try Channels.mute(session.context(), mute)
    }

    private static func time(_ text: String, _ option: String) throws -> Timestamp {
        guard let time = Timestamp(text) else {
            throw PgkeepError(
                .usage,
                "\(option) \(text) is no time",
                hint: "write it like 2026-03-14T15:09:26Z"
            )
        }
        return time
    }

    func lines(_ answer: Channels.Mute) -> [String] {
        [
            "Muted until \(Wording.time(answer.mute.to)); to end it sooner:"
                + " pgkeep notify unmute \(answer.id)"
        ]
    }
}

/// `notify unmute`
struct NotifyUnmute: Verb {
    static let configuration = CommandConfiguration(
        commandName: "unmute",
        abstract: "End a mute before its time.",
        discussion: """
            What is open and was kept back is told by the next check.

              pgkeep notify unmute 3f2a
            """
    )

    @Argument(help: ArgumentHelp("The mute's id, or its beginning.", valueName: "mute"))
    var mute: String

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> Channels.Mute {
        try Channels.unmute(session.context(), mute)
    }

    func lines(_ answer: Channels.Mute) -> [String] { ["The mute \(answer.id) is ended."] }
}
