import ArgumentParser
import Domain
import Engine
import Vaulting

/// `notify list`
struct NotifyList: Verb {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the channels, what waits for them, and the mutes.",
        discussion: """
            Secrets are not shown; of a webhook's address only the host is. Channels of the config \
            file are told only while the vault is out of reach.

              pgkeep notify list
            """
    )

    @OptionGroup(title: "Global options") var global: GlobalOptions

    struct Answer: Encodable {
        struct Waiting: Encodable {
            var channel: String
            var number: UInt64
            var alert: String
            var attempts: Int
            var nextAt: Timestamp?
            var held: Bool
            var error: String?

            private enum CodingKeys: String, CodingKey {
                case channel, number, alert, attempts, held, error
                case nextAt = "next_at"
            }
        }

        var channels: [ChannelAnswer]
        var whenUnreachable: [ChannelAnswer]
        var waiting: [Waiting]
        var mutes: [Channels.Mute]

        private enum CodingKeys: String, CodingKey {
            case channels, waiting, mutes
            case whenUnreachable = "when_unreachable"
        }
    }

    func answer(_ session: Session) throws -> Answer {
        let context = try session.context()
        let configured = try ConfiguredChannels.read(session.settings.configurationFile())
        return Answer(
            channels: try Channels.list(context).map(ChannelAnswer.init),
            whenUnreachable: configured.map(ChannelAnswer.init),
            waiting: try Channels.waiting(context).map {
                Answer.Waiting(
                    channel: $0.channel,
                    number: $0.notice.number,
                    alert: $0.notice.alert,
                    attempts: $0.attempts,
                    nextAt: $0.nextAt,
                    held: $0.isHeld,
                    error: $0.error
                )
            },
            mutes: try Channels.mutes(context)
        )
    }

    func lines(_ answer: Answer) -> [String] {
        var lines: [String] = []
        if answer.channels.isEmpty {
            lines.append(
                "Nobody is told of alerts: pgkeep notify add NAME --exec CMD | --webhook URL"
                    + " --secret-file FILE | --email ADDRESS"
            )
        } else {
            var table = Table(["CHANNEL", "BY", "TO", "FROM SEVERITY", "INSTANCE"])
            for channel in answer.channels {
                table.add([
                    channel.name, channel.means.rawValue, channel.destination,
                    channel.minSeverity.rawValue, channel.instance?.description ?? "all",
                ])
            }
            lines = table.lines
        }
        for channel in answer.whenUnreachable {
            lines.append(
                "while the vault is out of reach: \(channel.means.rawValue) \(channel.destination)"
            )
        }
        for waiting in answer.waiting {
            let why = waiting.error.map { ": \($0)" } ?? (waiting.held ? ": muted" : "")
            lines.append(
                "\(waiting.channel) has yet to be told of \(waiting.alert)"
                    + " (\(Wording.count(waiting.attempts, "try", "tries")))\(why)"
            )
        }
        for found in answer.mutes {
            let mute = found.mute
            let what = [
                mute.channel.map { "channel \($0)" }, mute.instance.map { "instance \($0)" },
            ]
            .compactMap { $0 }.joined(separator: ", ")
            lines.append(
                "mute \(found.id): \(what.isEmpty ? "all" : what), \(Wording.time(mute.from)) to"
                    + " \(Wording.time(mute.to)), by \(mute.by)"
                    + (mute.comment.map { ": \($0)" } ?? "")
            )
        }
        return lines
    }
}
