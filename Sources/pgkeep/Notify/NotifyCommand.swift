import ArgumentParser

/// The group of commands about who is told of alerts.
struct NotifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "notify",
        abstract: "Say who is told of alerts, and tell of failures from cron and systemd.",
        subcommands: [
            NotifyAdd.self, NotifyList.self, NotifyTest.self, NotifyMute.self, NotifyUnmute.self,
            NotifyRemove.self, NotifyFailure.self, NotifyRecovered.self,
        ]
    )
}
