public import Domain
public import Platform

/// Looks at a server before anything is asked of it: can it be backed up, and what stands in the
/// way, with the exact line that clears it.
public struct Preflight: Sendable {
    /// One thing worth telling.
    public struct Finding: Hashable, Sendable {
        /// How bad it is.
        public enum Severity: String, Sendable {
            /// Nothing can be done before it is cleared.
            case blocking
            /// Works, but somebody should look at it.
            case warning
            /// Good to know.
            case note
        }

        /// How bad it is.
        public var severity: Severity
        /// The code of the error a blocking finding is thrown as.
        public var code: ErrorCode
        /// One line: what was found.
        public var what: String
        /// One line: what to run or to write where.
        public var fix: String

        /// A finding.
        public init(_ severity: Severity, _ code: ErrorCode, _ what: String, fix: String) {
            self.severity = severity
            self.code = code
            self.what = what
            self.fix = fix
        }
    }

    /// What the server is like.
    public var profile: ServerProfile
    /// What was found, the worst first.
    public var findings: [Finding]
    /// True when the role may also run SQL.
    public var hasSQL: Bool

    /// Connects, looks, and disconnects.
    ///
    /// Blocking findings are not thrown; see `check`.
    ///
    /// Throws when no replication connection comes about; then the reason is looked for over SQL
    /// where possible, so that the error names the setting.
    public static func run(
        _ settings: ConnectionSettings,
        applicationName: String,
        cancellation token: CancellationToken? = nil
    ) throws(PgkeepError) -> Preflight {
        let connection: Connection
        do throws(PgkeepError) {
            connection = try Connection(
                settings,
                kind: .physicalReplication,
                applicationName: applicationName,
                cancellation: token
            )
        } catch {
            throw explain(error, settings, applicationName, token)
        }
        let profile = try ServerProfile(connection)
        var findings = Self.findings(in: profile)
        var hasSQL = true
        do throws(PgkeepError) {
            _ = try Connection(
                settings,
                kind: .sql,
                applicationName: applicationName,
                cancellation: token
            )
        } catch {
            hasSQL = false
            findings.append(
                Finding(
                    .warning,
                    error.code,
                    "no SQL login: configuration outside the data directory is not captured",
                    fix: error.hint
                )
            )
        }
        findings.sort { Self.rank($0.severity) < Self.rank($1.severity) }
        return Preflight(profile: profile, findings: findings, hasSQL: hasSQL)
    }

    /// Throws the first blocking finding, if there is one.
    public func check() throws(PgkeepError) {
        guard let finding = findings.first(where: { $0.severity == .blocking }) else { return }
        throw PgkeepError(finding.code, finding.what, hint: finding.fix)
    }

    private static func rank(_ severity: Finding.Severity) -> Int {
        switch severity {
        case .blocking: 0
        case .warning: 1
        case .note: 2
        }
    }

    /// What a profile tells, the worst first; pure.
    package static func findings(in profile: ServerProfile) -> [Finding] {
        obstacles(in: profile) + advice(for: profile)
    }

    private static func obstacles(in profile: ServerProfile) -> [Finding] {
        var findings: [Finding] = []
        func add(_ code: ErrorCode, _ what: String, fix: String) {
            findings.append(Finding(.blocking, code, what, fix: fix))
        }
        if profile.version.major < ServerVersion.oldestSupported {
            add(
                .sourceUnsupported,
                "PostgreSQL \(profile.version) is not supported",
                fix: "upgrade the server to version \(ServerVersion.oldestSupported) or later"
            )
        }
        if profile.blockSize != 8192 {
            add(
                .sourceUnsupported,
                "the server was built with pages of \(profile.blockSize) bytes",
                fix: "use a server built with the default block size of 8192"
            )
        }
        if let original = profile.restoredCopy {
            add(
                .sourceForeign,
                "the server is a restored copy (of \(original)), not the original",
                fix: ServerProfile.restoredCopyFix
            )
        }
        if profile.walLevel == "minimal" {
            add(.sourceSetting, "wal_level is minimal", fix: walLevelFix)
        }
        return findings
    }

    private static func advice(for profile: ServerProfile) -> [Finding] {
        var findings: [Finding] = []
        func add(
            _ severity: Finding.Severity,
            _ code: ErrorCode,
            _ what: String,
            fix: String
        ) {
            findings.append(Finding(severity, code, what, fix: fix))
        }
        if profile.isInRecovery && !profile.fullPageWrites {
            add(
                .warning,
                .sourceSetting,
                "full_page_writes is off: backups of a standby will fail",
                fix: "set full_page_writes = on on the primary, then SELECT pg_reload_conf();"
            )
        }
        if !profile.hasDataChecksums {
            add(
                .note,
                .sourceSetting,
                "data checksums are off: damaged pages are not noticed",
                fix: "stop the server and run pg_checksums --enable -D …"
            )
        }
        if let limit = profile.maxSlotWALKeepBytes {
            add(
                .note,
                .sourceSetting,
                "a replication slot is lost after \(limit >> 20) MB of WAL"
                    + " (max_slot_wal_keep_size)",
                fix: "raise max_slot_wal_keep_size so that outages of the stream fit into it"
            )
        }
        if profile.version.hasIncrementalBackups && !profile.summarizesWAL {
            findings.append(summariesOff)
        }
        return findings
    }

    /// Told of a server that could send changed blocks only.
    public static let summariesOff = Finding(
        .note,
        .sourceSetting,
        "summarize_wal is off: every backup reads all pages",
        fix: "ALTER SYSTEM SET summarize_wal = on; SELECT pg_reload_conf();"
    )

    package static let walLevelFix =
        "set in postgresql.conf, then restart the server: wal_level = replica"

    /// A server with wal_level = minimal has max_wal_senders = 0 and turns replication connections
    /// away with 53300, as a full one does.
    ///
    /// SQL can tell the two apart.
    private static func explain(
        _ error: PgkeepError,
        _ settings: ConnectionSettings,
        _ applicationName: String,
        _ token: CancellationToken?
    ) -> PgkeepError {
        guard error.postgres?.sqlstate == "53300" else { return error }
        guard
            let sql = try? Connection(
                settings,
                kind: .sql,
                applicationName: applicationName,
                cancellation: token
            ),
            let level = try? sql.setting("wal_level"),
            let senders = try? sql.setting("max_wal_senders")
        else {
            var error = error
            error.hint =
                "set in postgresql.conf, then restart the server:"
                + " wal_level = replica, max_wal_senders = 10"
            return error
        }
        if level == "minimal" {
            return PgkeepError(
                .sourceSetting,
                "wal_level is minimal and max_wal_senders is \(senders)",
                hint: walLevelFix + (senders == "0" ? " and max_wal_senders = 10" : ""),
                cause: error
            )
        }
        return PgkeepError(
            .sourceSetting,
            senders == "0"
                ? "max_wal_senders is 0" : "all \(senders) replication connections are in use",
            hint: "raise in postgresql.conf, then restart the server: max_wal_senders = "
                + "\(max(10, (Int(senders) ?? 0) * 2))",
            cause: error
        )
    }
}
