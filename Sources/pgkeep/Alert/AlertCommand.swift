import ArgumentParser

/// The group of commands about alerts.
struct AlertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alert",
        abstract: "See what is not as it should be, and say that you know.",
        subcommands: [
            AlertCheckVerb.self, AlertList.self, AlertShow.self, AlertAck.self, AlertExplain.self,
            AlertDisable.self, AlertEnable.self,
        ]
    )
}
