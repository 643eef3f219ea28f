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

              pgkeep instance add main --source "host=/var/run/postgresql user=backup"
              pgkeep instance add shop --source postgresql://backup@db.example/?sslmode=require
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

    @Flag(help: "Do not take the first backup now.")
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
        var initialBackup: RecoveryPoint?
        var warnings: [String]

        private enum CodingKeys: String, CodingKey {
            case instance, findings, warnings
            case initialBackup = "initial_backup"
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(instance, forKey: .instance)
            try container.encode(findings, forKey: .findings)
            try container.encode(initialBackup, forKey: .initialBackup)
            try container.encode(warnings, forKey: .warnings)
        }
    }

    func answer(_ session: Session) throws -> Answer {
        let name = try instance.name
        let labels = try KeyValues(labels, option: "--label")
        let context = try session.context()
        let added = try AddInstanceJob(
            context: context,
            name: name,
            source: source,
            slot: slot,
            labels: Dictionary(labels.pairs.map { ($0.key, $0.value) }) { $1 }
        ).run()
        var answer = Answer(
            instance: added.instance,
            findings: added.findings.map {
                Answer.Finding(severity: $0.severity.rawValue, what: $0.what, fix: $0.fix)
            },
            initialBackup: nil,
            warnings: []
        )
        guard !noInitialBackup else { return answer }
        session.say("Instance \(name) is added; taking its first backup.")
        do {
            let result = try BackupJob(
                context: context,
                instance: added.instance,
                options: BackupOptions(trigger: .initial)
            ).run()
            answer.initialBackup = result.point
            answer.warnings = result.warnings
        } catch let error as PgkeepError {
            throw PgkeepError(
                error.code,
                "instance \(name) is added, but its first backup failed",
                hint: error.hint.isEmpty ? "run pgkeep backup create \(name)" : error.hint,
                cause: error
            )
        }
        return answer
    }

    func lines(_ answer: Answer) -> [String] {
        let record = answer.instance
        var lines = [
            "Instance \(record.name) is protected: PostgreSQL \(record.serverVersion), "
                + "system identifier \(record.systemIdentifier)."
        ]
        lines += answer.findings.flatMap { ["\($0.severity): \($0.what)", "  → \($0.fix)"] }
        lines += answer.warnings.map { "warning: \($0)" }
        if let point = answer.initialBackup {
            lines.append(PointText.made(point))
        } else {
            lines.append("Take its first backup: pgkeep backup create \(record.name)")
        }
        return lines + ["Keep its WAL flowing: pgkeep wal stream \(record.name)"]
    }
}
