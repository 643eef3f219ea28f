import ArgumentParser
import Domain
import Engine
import Platform
import Vaulting

/// `notify add`
struct NotifyAdd: Verb {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Add a channel: a command, a webhook, or a mail address.",
        discussion: """
            All hosts that share the vault know it; whichever of them looks first delivers. A \
            command gets the event as one line of JSON on its standard input. A webhook gets it as \
            a POST signed with the secret (HMAC-SHA256, header Pgkeep-Signature), which stays \
            sealed in the vault and is never shown. Mail goes through this host's sendmail, or \
            what PGKEEP_SENDMAIL names.

            What concerns security reaches every channel whose instance it is, whatever its \
            severity; see pgkeep alert explain --all.

              pgkeep notify add chat --webhook https://host/pgkeep --secret-file /etc/pgkeep/hook
              pgkeep notify add duty --email duty@example.org --min-severity critical
              pgkeep notify add pager --exec /usr/local/bin/page --instance main
            """
    )

    @Argument(help: ArgumentHelp("What to call it.", valueName: "name"))
    var name: String

    @Option(help: ArgumentHelp("The command, for /bin/sh.", valueName: "command"))
    var exec: String?

    @Option(help: ArgumentHelp("The address of a web server.", valueName: "url"))
    var webhook: String?

    @Option(
        help: ArgumentHelp("The file with a webhook's secret.", valueName: "file"),
        completion: .file()
    )
    var secretFile: String?

    @Option(help: ArgumentHelp("A mail address.", valueName: "address"))
    var email: String?

    @Option(
        help: ArgumentHelp(
            "Nothing milder: security, critical, warning (default) or info.",
            valueName: "severity"
        )
    )
    var minSeverity = AlertSeverity.warning.rawValue

    @Option(help: ArgumentHelp("Only this instance, and nothing about the vault."))
    var instance: String?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> ChannelAnswer {
        let given: [(ChannelRecord.Means, String?)] = [
            (.exec, exec), (.webhook, webhook), (.email, email),
        ]
        let named = given.compactMap { means, target in target.map { (means, $0) } }
        guard let (means, target) = named.first, named.count == 1 else {
            throw PgkeepError(
                .usage,
                named.isEmpty ? "no means is given" : "several means are given",
                hint: "give one of --exec CMD, --webhook URL --secret-file FILE, --email ADDRESS"
            )
        }
        guard (secretFile == nil) == (means != .webhook) else {
            throw PgkeepError(
                .usage,
                means == .webhook
                    ? "a webhook needs a secret to sign with" : "only a webhook has a secret",
                hint: "give --webhook URL and --secret-file FILE"
            )
        }
        let context = try session.context()
        let channel = ChannelRecord(
            name: name,
            means: means,
            target: target,
            secret: try secretFile.map(ConfiguredChannels.secret),
            minSeverity: try Choice.parse(minSeverity, "--min-severity"),
            instance: try instance.map { try InstanceName(checking: $0) },
            createdAt: session.clock.now,
            by: ActivityLog.actor
        )
        try Channels.add(context, channel)
        return ChannelAnswer(channel)
    }

    func lines(_ answer: ChannelAnswer) -> [String] {
        ["Channel \(answer.name) is added; try it: pgkeep notify test \(answer.name)"]
    }
}

/// A channel as it may be shown.
struct ChannelAnswer: Encodable {
    var name: String
    var means: ChannelRecord.Means
    var destination: String
    var minSeverity: AlertSeverity
    var instance: InstanceName?
    var createdAt: Timestamp
    var by: String

    init(_ channel: ChannelRecord) {
        name = channel.name
        means = channel.means
        destination = channel.destination
        minSeverity = channel.minSeverity
        instance = channel.instance
        createdAt = channel.createdAt
        by = channel.by
    }

    private enum CodingKeys: String, CodingKey {
        case name, means, destination, instance, by
        case minSeverity = "min_severity"
        case createdAt = "created_at"
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(name, forKey: .name)
        try container.encode(means, forKey: .means)
        try container.encode(destination, forKey: .destination)
        try container.encode(minSeverity, forKey: .minSeverity)
        try container.encode(instance, forKey: .instance)
        try container.encode(createdAt, forKey: .createdAt)
        try container.encode(by, forKey: .by)
    }
}
