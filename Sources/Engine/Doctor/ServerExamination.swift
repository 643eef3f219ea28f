import Domain
import Platform
import Postgres
import Vaulting

/// Examines one server of an instance: whether it answers, who it is, its slot and its settings.
struct ServerExamination {
    private let context: JobContext
    private let instance: InstanceRecord
    private let address: String
    private let isOneOfMany: Bool

    /// Seconds two clocks may differ before it is said, and before it counts as a failure.
    private static let skewSeconds = (warned: 2.0, failing: 300.0)

    /// The server at `address`, which is told with each finding when it is one of many.
    init(
        _ context: JobContext,
        _ instance: InstanceRecord,
        at address: String,
        isOneOfMany: Bool
    ) {
        self.context = context
        self.instance = instance
        self.address = address
        self.isOneOfMany = isOneOfMany
    }

    func run() -> [DoctorReport.Finding] {
        let place = isOneOfMany ? "at \(address): " : ""
        var exam = Examination(of: instance.name.description, place: place)
        examine(&exam)
        return exam.findings
    }

    private func examine(_ exam: inout Examination) {
        let found = exam.attempt("connect") { exam -> (ConnectionSettings, Preflight) in
            let settings = try ConnectionSettings(address)
            let preflight = try Preflight.run(
                settings,
                applicationName: "pgkeep",
                cancellation: context.token
            )
            let logins = preflight.hasSQL ? "replication and SQL logins work" : "replication works"
            let version = preflight.profile.version
            exam.add(.ok, "connect", "PostgreSQL \(version) answers; \(logins)")
            return (settings, preflight)
        }
        guard let (settings, preflight) = found else { return }
        for finding in preflight.findings {
            let outcome: DoctorReport.Outcome =
                switch finding.severity {
                case .blocking: .failure
                case .warning: .warning
                case .note: .note
                }
            exam.add(outcome, finding.code.name, finding.what, fix: finding.fix)
        }
        let profile = preflight.profile
        if profile.walLevel != "minimal" {
            exam.add(.ok, "wal_level", "wal_level is \(profile.walLevel)")
        }
        exam.attempt("identity") { exam in
            let connection = try connect(settings, .physicalReplication)
            try SourceCheck.check(context, connection, profile.identity, instance)
            try SourceCheck.refuseSetBack(context, instance, profile)
            exam.add(.ok, "identity", "it is the server \(instance.name) was added with")
        }
        exam.attempt("slot") { try slot(&$0, settings, profile, preflight.hasSQL) }
        guard preflight.hasSQL else { return }
        exam.attempt("settings") { exam in
            let sql = try connect(settings, .sql)
            try clock(&exam, sql)
            try archiving(&exam, sql, profile)
            try senders(&exam, sql)
            for finding in try SourceConfiguration.capture(sql).findings {
                let isWarning = finding.severity != .note
                exam.add(
                    isWarning ? .warning : .note,
                    finding.code.name,
                    finding.what,
                    fix: finding.fix
                )
            }
        }
    }

    private func connect(
        _ settings: ConnectionSettings,
        _ kind: Connection.Kind
    ) throws -> Connection {
        try Connection(
            settings,
            kind: kind,
            applicationName: "pgkeep",
            cancellation: context.token
        )
    }

    private func slot(
        _ exam: inout Examination,
        _ settings: ConnectionSettings,
        _ profile: ServerProfile,
        _ hasSQL: Bool
    ) throws {
        if profile.maxSlotWALKeepBytes == nil {
            exam.add(
                .warning,
                "max_slot_wal_keep_size",
                "while no stream runs, the slot may fill the server's disk with WAL",
                fix: "ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; SELECT pg_reload_conf();"
                    + " (less than the disk has free)"
            )
        }
        guard let name = instance.slot else {
            exam.add(
                .warning,
                "slot",
                "it uses no replication slot: the server may remove WAL before it is streamed",
                fix: "add the instance anew, or keep a stream running at all times"
            )
            return
        }
        let found = try ReplicationSlots.read(
            name,
            replication: connect(settings, .physicalReplication),
            sql: hasSQL ? try? connect(settings, .sql) : nil
        )
        guard let found else {
            exam.add(
                .failure,
                "slot",
                "the replication slot \(name) is not there: WAL is not kept for the vault",
                fix: "pgkeep wal stream \(instance.name) makes it anew; then take a backup"
            )
            return
        }
        guard !found.isLost else {
            exam.add(
                .failure,
                "slot",
                "the replication slot \(name) is lost: WAL the vault lacks may be gone",
                fix: "pgkeep wal stream \(instance.name) --accept-gap, then take a backup"
            )
            return
        }
        let end = profile.identity.position
        let kept = found.restartLSN.map { end > $0 ? end - $0 : 0 } ?? 0
        let isEndangered = found.walStatus == "unreserved"
        let use = found.activePID == nil ? "not in use" : "in use"
        exam.add(
            isEndangered ? .failure : .ok,
            "slot",
            "the replication slot \(name) is \(use) and keeps \(kept >> 20) MiB of WAL"
                + (isEndangered ? ", more than it may: it will be lost" : ""),
            fix: isEndangered ? "pgkeep wal stream \(instance.name) at once" : ""
        )
    }

    private func clock(_ exam: inout Examination, _ sql: Connection) throws {
        let before = context.clock.now
        let text = try sql.query(
            "SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint"
        ).first
        let after = context.clock.now
        guard let told = text.flatMap({ Int64($0) }) else { return }
        let middle = before.microseconds + (after.microseconds - before.microseconds) / 2
        let skew = abs(Double(told - middle)) / 1e6
        let isWrong = skew > Self.skewSeconds.warned
        exam.add(
            skew > Self.skewSeconds.failing ? .failure : isWrong ? .warning : .ok,
            "clock",
            isWrong
                ? "the server's clock and this host's differ by \(Int(skew)) s"
                : "the server's clock agrees with this host's",
            fix: isWrong
                ? "let both follow the same time service (chrony, systemd-timesyncd)" : ""
        )
    }

    private func archiving(
        _ exam: inout Examination,
        _ sql: Connection,
        _ profile: ServerProfile
    ) throws {
        if profile.archiveMode != "off" {
            let row = try sql.query(
                """
                SELECT last_failed_time > coalesce(last_archived_time, '-infinity'),
                       last_failed_wal
                FROM pg_catalog.pg_stat_archiver
                """
            ).rows.first
            if let row, row[0] == "t" {
                exam.add(
                    .warning,
                    "archive_command",
                    "archiving \(row[1] ?? "") fails: WAL piles up on the server",
                    fix: "mend archive_command; pgkeep needs none, so archive_mode = off will do"
                )
            } else {
                exam.add(
                    .note,
                    "archive_command",
                    "archive_mode is \(profile.archiveMode); pgkeep streams and needs none"
                )
            }
        }
        let names = profile.synchronousStandbyNames
        if names.contains(WALStreamOptions.applicationNameDefault) {
            let isStreaming = try StreamLookup.isStreaming(context, instance.systemIdentifier)
            exam.add(
                isStreaming ? .ok : .failure,
                "synchronous_standby_names",
                isStreaming
                    ? "commits wait for the vault: nothing acknowledged is ever lost"
                    : "commits wait for a stream that does not run",
                fix: isStreaming ? "" : "pgkeep wal stream \(instance.name)"
            )
        }
    }

    /// A backup beside a running stream needs two more connections.
    private func senders(_ exam: inout Examination, _ sql: Connection) throws {
        let used = try sql.query("SELECT count(*) FROM pg_catalog.pg_stat_replication").first
        guard let used = used.flatMap({ Int($0) }),
            let all = try sql.setting("max_wal_senders").flatMap({ Int($0) })
        else { return }
        let isTight = all - used < 2
        exam.add(
            isTight ? .warning : .ok,
            "max_wal_senders",
            "\(used) of \(all) replication connections are in use",
            fix: isTight
                ? "raise max_wal_senders to \(all + 4) in postgresql.conf and restart the server"
                : ""
        )
    }
}
