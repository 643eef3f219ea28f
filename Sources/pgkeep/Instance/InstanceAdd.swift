import ArgumentParser
import Domain
import Engine
import Postgres
import Vaulting

/// `instance add`
struct InstanceAdd: Verb {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Put a PostgreSQL instance under protection.",
        discussion: """
            Checks that the server can be backed up and says what is missing, makes a replication \
            slot so that no WAL is lost from now on, and takes the first backup. A password is \
            never stored: leave it to ~/.pgpass, a service file or a certificate.

            The policy says when backups are due and how long they are kept; without one it is \
            "default": a backup a day, every moment of 7 days. Another address of a server that \
            is protected already, a standby's for instance, joins the instance when it is added \
            under the same name.

              pgkeep instance add main --source "host=/var/run/postgresql user=backup"
              pgkeep instance add shop --source postgresql://backup@db.example/?sslmode=require
              pgkeep instance add crm --source service=crm --retention 14 --label tier=gold
            """
    )

    @OptionGroup var instance: NameArgument

    @Option(
        help: ArgumentHelp(
            "How to reach it: a libpq connection string or URI.",
            valueName: "conninfo"
        )
    )
    var source: String

    @Option(
        help: ArgumentHelp(
            "The name of its replication slot (default: pgkeep_NAME).",
            valueName: "slot"
        )
    )
    var slot: String?

    @Option(
        name: .customLong("label"),
        help: ArgumentHelp("A note of your own; may be repeated.", valueName: "key=value")
    )
    var labels: [String] = []

    @Option(
        help: ArgumentHelp("The policy that protects it (see policy list).", valueName: "policy")
    )
    var policy: String?

    @Option(
        help: ArgumentHelp(
            "Keep every moment of so many days within reach (7 to 35).",
            discussion: "Short for the policy retention-DAYS, which is made when needed.",
            valueName: "days"
        )
    )
    var retention: Int?

    @Option(
        help: ArgumentHelp(
            "Whether the server can be reached from public networks: private or public.",
            valueName: "exposure"
        )
    )
    var exposure: String?

    @Flag(help: "Leave the first backup to the next backup run-due.")
    var noInitialBackup = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    struct Answer: Encodable {
        struct Finding: Encodable {
            var severity: String
            var what: String
            var fix: String
        }

        var instance: InstanceRecord
        var findings: [Finding]
        var initialJob: JobID?
        var initialBackup: RecoveryPoint?
        var joined: Bool
        var warnings: [String]

        private enum CodingKeys: String, CodingKey {
            case instance, findings, joined, warnings
            case initialJob = "initial_job"
            case initialBackup = "initial_backup"
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(instance, forKey: .instance)
            try container.encode(findings, forKey: .findings)
            try container.encode(initialJob, forKey: .initialJob)
            try container.encode(initialBackup, forKey: .initialBackup)
            try container.encode(joined, forKey: .joined)
            try container.encode(warnings, forKey: .warnings)
        }
    }

    func answer(_ session: Session) throws -> Answer {
        let name = try instance.name
        var traits = AddInstanceJob.Traits()
        traits.slot = slot
        traits.labels = Dictionary(
            try KeyValues(labels, option: "--label").pairs.map { ($0.key, $0.value) }
        ) { $1 }
        traits.exposure = try exposure.map(Self.exposure)
        let context = try session.context()
        traits.policy = try policyName(context)
        let added = try AddInstanceJob(
            context: context,
            name: name,
            source: source,
            traits: traits
        ).run()
        var answer = Answer(
            instance: added.instance,
            findings: added.findings.map {
                Answer.Finding(severity: $0.severity.rawValue, what: $0.what, fix: $0.fix)
            },
            initialJob: added.initialJob,
            initialBackup: nil,
            joined: added.isJoined,
            warnings: []
        )
        guard !noInitialBackup, !added.isJoined else { return answer }
        session.say("Instance \(name) is added; taking its first backup.")
        let entry = try DueBackups(context: context).run(added.instance)
        if let error = entry.error, [.failed, .cancelled].contains(entry.outcome) {
            throw PgkeepError(
                error.code,
                "instance \(name) is added, but its first backup failed",
                hint: error.hint.isEmpty ? "run pgkeep backup run-due \(name)" : error.hint,
                cause: error
            )
        }
        answer.initialBackup = entry.point
        answer.warnings = entry.warnings
        if entry.point == nil {
            answer.warnings.append("the first backup is left to others: see pgkeep job list")
        }
        return answer
    }

    private func policyName(_ context: JobContext) throws -> PolicyName? {
        guard let retention else { return try policy.map { try PolicyName(checking: $0) } }
        guard policy == nil else {
            throw PgkeepError(
                .usage,
                "--policy and --retention are both given",
                hint: "leave one out: the retention is part of the policy"
            )
        }
        return try Policies.retaining(context, days: retention)
    }

    private static func exposure(_ text: String) throws -> InstanceRecord.Exposure {
        guard let exposure = InstanceRecord.Exposure(rawValue: text) else {
            throw PgkeepError(
                .usage,
                "--exposure \(text) is unknown",
                hint: "give private or public"
            )
        }
        return exposure
    }

    func lines(_ answer: Answer) -> [String] {
        let record = answer.instance
        guard !answer.joined else {
            return [
                "Instance \(record.name) has another address now: \(record.endpoints.last ?? "").",
                "It is the same server (system identifier \(record.systemIdentifier)): "
                    + "one set of backups, one archive.",
            ]
        }
        var lines = [
            "Instance \(record.name) is protected: PostgreSQL \(record.serverVersion), "
                + "system identifier \(record.systemIdentifier)."
        ]
        lines += answer.findings.flatMap { ["\($0.severity): \($0.what)", "  → \($0.fix)"] }
        lines += answer.warnings.map { "warning: \($0)" }
        if let point = answer.initialBackup {
            lines.append(PointText.made(point))
        } else {
            lines.append("Take its first backup: pgkeep backup run-due \(record.name)")
        }
        return lines + ["Keep its WAL flowing: pgkeep wal stream \(record.name)"]
    }
}
