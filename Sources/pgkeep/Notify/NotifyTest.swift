import ArgumentParser
import Domain
import Engine
import Platform
import Storage
import Vaulting

/// `notify test`
struct NotifyTest: Verb {
    static let configuration = CommandConfiguration(
        commandName: "test",
        abstract: "Tell a channel that nothing is the matter.",
        discussion: """
            Sent at once, once, whatever is muted; fails with the reason when the channel does not \
            take it.

              pgkeep notify test duty
            """
    )

    @Argument(help: ArgumentHelp("The channel's name.", valueName: "name"))
    var name: String

    @OptionGroup(title: "Global options") var global: GlobalOptions

    struct Answer: Encodable {
        var channel: String
        var delivered: Bool
    }

    func answer(_ session: Session) throws -> Answer {
        let context = try session.context()
        let channel = try Channels.find(context, name)
        let parcel = AlertParcel(
            channel: channel,
            notice: AlertNotice(testing: channel.name, at: session.clock.now)
        )
        let courier = Courier(
            context.vault,
            place: context.vault.store.location,
            sendmail: Environment.value("PGKEEP_SENDMAIL"),
            clock: session.clock
        )
        try waiting { try await courier.deliver(parcel) }
        return Answer(channel: channel.name, delivered: true)
    }

    func lines(_ answer: Answer) -> [String] { ["Channel \(answer.channel) took the test."] }
}
