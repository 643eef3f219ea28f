import Domain
import Logging
import Platform
import Postgres
import Vaulting

/// How the server sends a backup: changed blocks only where it can, everything where it cannot.
///
/// Either way only changed pages are stored. Whatever keeps the server from sending changed blocks
/// is told, and the backup goes on in full over a fresh connection.
struct BackupStreams {
    /// What was used.
    private(set) var method = RecoveryPoint.Method.fullStream
    /// Why changed blocks were not had, when they should have been.
    private(set) var warnings: [String] = []
    /// What would make backups cheaper.
    private(set) var hints: [String] = []

    private let context: JobContext
    private let settings: ConnectionSettings
    private let profile: ServerProfile
    private let parents: ParentMaps?
    private let drafts: DraftKeeper?
    private let options: BackupOptions

    init(
        _ context: JobContext,
        _ settings: ConnectionSettings,
        _ profile: ServerProfile,
        parents: ParentMaps?,
        drafts: DraftKeeper?,
        options: BackupOptions
    ) {
        self.context = context
        self.settings = settings
        self.profile = profile
        self.parents = parents
        self.drafts = drafts
        self.options = options
    }

    /// Takes the backup in.
    ///
    /// Throws `.sourceIncremental` when the parent or the stream turned out to be unusable after
    /// changed blocks had begun to come: then only a new session can take it in full.
    mutating func run(
        into session: BackupSession,
        began: @escaping (BaseBackupStart) throws -> Void
    ) throws -> BackupPipeline.Outcome {
        let pipeline = BackupPipeline(
            session: session,
            parents: parents,
            drafts: drafts,
            options: options,
            meter: context.meter,
            token: context.token
        )
        if let parent = try usableParent() {
            var hasBegun = false
            do {
                let outcome = try takeChanges(pipeline, since: parent) { start in
                    hasBegun = true
                    try began(start)
                }
                method = .incrementalStream
                return outcome
            } catch let error as PgkeepError where error.code == .sourceIncremental {
                guard !hasBegun else { throw error }
                warn(error)
            }
        }
        return try pipeline.run(on: try connect(), began: began)
    }

    /// The words of a warning.
    static func words(_ error: PgkeepError) -> String {
        let hint = error.hint.isEmpty ? "" : "; \(error.hint)"
        return "every page was read instead of changed ones: \(error)\(hint)"
    }

    /// The parent, unless it is known beforehand that the server sends no changes against it.
    private mutating func usableParent() throws -> PointReader? {
        guard profile.version.hasIncrementalBackups, !options.fullStream else { return nil }
        guard profile.summarizesWAL else {
            let finding = Preflight.summariesOff
            hints.append("\(finding.what); \(finding.fix)")
            return nil
        }
        guard let parents else {
            if options.trigger != .initial {
                hints.append("every page was read: there is no earlier point to compare with")
            }
            return nil
        }
        guard parents.reader.draft == nil else {
            // The server knows of no moment at which all of a draft's files were as it has them.
            hints.append("every page was read, to go on where the last backup was cut off")
            return nil
        }
        // Switching them rewrites pages without WAL, so no summary knows of it.
        guard parents.reader.point.dataChecksums == profile.hasDataChecksums else {
            return unusable("data checksums were switched since the parent point")
        }
        guard try isAncestor(parents.reader.point) else {
            return unusable("the parent point is not in the history of the server's timeline")
        }
        guard !parents.evacuation.heals else {
            return unusable("packs of the parent point are damaged or missing, and heal by that")
        }
        return parents.reader
    }

    /// Whether all that the parent holds happened on the server's own timeline.
    ///
    /// The server looks at the parent's start only: of a parent whose backup went on past the place
    /// where the server's timeline left, it would take pages for unchanged that changed elsewhere.
    private func isAncestor(_ parent: RecoveryPoint) throws -> Bool {
        let timeline = profile.identity.timeline
        guard parent.timeline != timeline else { return true }
        let archive = TimelineArchive(context.vault, parent.systemIdentifier)
        let history = try archive.readableHistories()[timeline]
        return history?.contains(parent.timeline, at: parent.stopLSN) ?? false
    }

    private mutating func unusable(_ why: String) -> PointReader? {
        warn(PgkeepError(.sourceIncremental, why))
        return nil
    }

    private mutating func warn(_ error: PgkeepError) {
        context.log.warning("falling back to the full stream", metadata: ["why": "\(error)"])
        warnings.append(Self.words(error))
    }

    private func connect() throws -> Connection {
        try Connection(
            settings,
            kind: .physicalReplication,
            applicationName: "pgkeep_backup",
            cancellation: context.token
        )
    }

    private func takeChanges(
        _ pipeline: BackupPipeline,
        since parent: PointReader,
        began: @escaping (BaseBackupStart) throws -> Void
    ) throws -> BackupPipeline.Outcome {
        do {
            let connection = try connect()
            try ManifestUpload.run(on: connection, cancellation: context.token) { send in
                try ParentManifest(parent).write(send)
            }
            var changes = pipeline
            changes.isIncremental = true
            let outcome = try changes.run(on: connection) { start in
                try began(start)
                guard start.timeline <= profile.identity.timeline else {
                    throw PgkeepError(.sourceIncremental, "the server was promoted just now")
                }
            }
            try check(outcome, since: parent.point)
            return outcome
        } catch let error as PgkeepError where Self.isOfParent(error) {
            throw PgkeepError(
                .sourceIncremental,
                "the parent point \(parent.point.id) is damaged",
                hint: "run pgkeep vault check",
                cause: error
            )
        }
    }

    /// What is read from the vault meanwhile is the parent, and a little of the WAL archive: damage
    /// of that shows again in the full stream.
    private static func isOfParent(_ error: PgkeepError) -> Bool {
        [.integrity, .notFound, .vaultVersion].contains(error.code)
    }

    /// The changes must be against what they were folded into.
    private func check(_ outcome: BackupPipeline.Outcome, since parent: RecoveryPoint) throws {
        let label = try BackupLabel(outcome.kept["backup_label"] ?? [])
        guard label.incrementalFrom == parent.startLSN,
            label.incrementalFromTimeline == parent.timeline
        else {
            throw PgkeepError(
                .sourceIncremental,
                "the server sent changes against another backup than the parent point"
            )
        }
    }
}
