import ArgumentParser
import Domain
import Engine
import Vaulting

/// `notify remove`
struct NotifyRemove: Verb {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Remove a channel.",
        discussion: """
            What waits for it is dropped; the other channels are told that it was removed.

              pgkeep notify remove chat
            """
    )

    @Argument(help: ArgumentHelp("The channel's name.", valueName: "name"))
    var name: String

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> ChannelAnswer {
        ChannelAnswer(try Channels.remove(session.context(), name))
    }

    func lines(_ answer: ChannelAnswer) -> [String] { ["Channel \(answer.name) is removed."] }
}
