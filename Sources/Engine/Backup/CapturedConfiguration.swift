import Domain
import Postgres
import Vaulting

/// What SQL tells beside a base backup: configuration kept outside the data directory, and the
/// server's own clock. Everything here is optional; what could not be had becomes a warning.
struct CapturedConfiguration {
    /// The files, already in the session's packs.
    private(set) var attachments: [Attachment] = []
    /// What could not be captured, and the grant that helps.
    private(set) var warnings: [String] = []
    /// The server's clock after the backup stopped.
    private(set) var serverTime: Timestamp?

    /// Captures what the role may see.
    init(
        _ context: JobContext,
        _ settings: ConnectionSettings,
        _ hasSQL: Bool,
        _ session: BackupSession
    ) {
        guard hasSQL else { return }
        do {
            let connection = try Connection(
                settings,
                kind: .sql,
                applicationName: "pgkeep_backup",
                cancellation: context.token
            )
            serverTime = try Self.time(connection)
            let configuration = try SourceConfiguration.capture(connection)
            warnings = configuration.findings.map { "\($0.what); \($0.fix)" }
            let packs = session.makePackWriter()
            for file in configuration.files {
                guard let content = file.content else { continue }
                let writer = AttachmentWriter(
                    name: ConfigurationPlaces.attachmentName(file.role, file.path),
                    kind: .configuration,
                    mode: 0o600,
                    with: packs
                )
                try writer.append(content)
                attachments.append(try writer.finish())
            }
            try packs.finish()
        } catch {
            attachments = []
            warnings.append("configuration outside the data directory is not kept: \(error)")
        }
    }

    private static func time(_ connection: Connection) throws -> Timestamp? {
        let result = try connection.query(
            "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
        )
        guard let text = result.rows.first?.first ?? nil, let value = Int64(text) else {
            return nil
        }
        return Timestamp(microseconds: value)
    }
}
