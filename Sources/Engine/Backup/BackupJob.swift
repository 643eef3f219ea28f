import Domain
import Logging
import Platform
import Postgres
public import Vaulting

/// Takes one base backup of an instance and makes it a recovery point.
///
/// Order of events: lease and role, WAL protected, BASE_BACKUP, all files compared with the
/// server's manifest, all WAL up to the stop position durable, then the commit. Whatever fails
/// before the commit leaves nothing visible.
public struct BackupJob {
    private let context: JobContext
    private let instance: InstanceRecord
    private let options: BackupOptions

    /// A backup of `instance`.
    public init(context: JobContext, instance: InstanceRecord, options: BackupOptions) {
        self.context = context
        self.instance = instance
        self.options = options
    }

    /// Runs the backup; blocks until the point is committed.
    ///
    /// Throws `.refused` when its protection is stopped, what is wrong with the source
    /// (`.source…`), `.busy` when another backup of the instance runs, `.sourceForeign` for another
    /// cluster, store errors, `.cancelled`.
    public func run() throws -> BackupResult {
        try Instances.requireActive(context, instance)
        do {
            return try attempt(options)
        } catch let error as PgkeepError where error.code == .sourceIncremental {
            // The parent failed under way. What was taken in of it is given up with the session.
            context.log.warning("beginning again in full", metadata: ["why": "\(error)"])
            var options = options
            options.fullStream = true
            var result = try attempt(options)
            result.warnings.insert(BackupStreams.words(error), at: 0)
            return result
        }
    }

    private func attempt(_ options: BackupOptions) throws -> BackupResult {
        let startedAt = context.clock.now
        try PointTerms(context, instance, options).check()
        context.meter.begin("connect")
        // Of several servers, or hosts of one address, all that follows talks to one.
        let settings = try SourceEndpoints(context, instance, instance.baseFrom).settings()
        let preflight = try SourceCheck.run(context, settings, instance.systemIdentifier)
        let (session, parents) = try ParentMaps.begin(
            context.vault,
            instance.systemIdentifier,
            options.evacuation,
            clock: context.clock
        )
        do {
            let claim = try Claim.acquire(.backup, lease: session.lease, token: context.token)
            defer { try? claim.release() }
            try PointTerms(context, instance, options).check()
            let result = try run(session, parents, settings, preflight, startedAt, options)
            context.log.info(
                "backup committed",
                metadata: [
                    "instance": "\(instance.name)", "point": "\(result.point.id)",
                    "stored_bytes": "\(result.point.storedBytes)",
                    "moved_pages": "\(parents?.evacuation.movedPages ?? 0)",
                ]
            )
            return result
        } catch {
            session.abandon()
            throw error
        }
    }

    private func run(
        _ session: BackupSession,
        _ parents: ParentMaps?,
        _ settings: ConnectionSettings,
        _ preflight: Preflight,
        _ startedAt: Timestamp,
        _ options: BackupOptions
    ) throws -> BackupResult {
        let profile = preflight.profile
        try SourceHistories.store(context, instance, settings, upTo: profile.identity.timeline)
        try SourceCheck.refuseSetBack(context, instance, profile)
        let wal = try BackupWAL(
            context,
            instance,
            settings: settings,
            session: session.id,
            isStandby: profile.isInRecovery
        )
        do {
            var streams = BackupStreams(
                context,
                settings,
                profile,
                parents: parents,
                drafts: drafts(session, parents, profile, startedAt),
                options: options
            )
            let outcome = try streams.run(into: session) { try begin(wal, session, at: $0) }
            guard outcome.start.timeline == outcome.end.timeline else {
                throw PgkeepError(
                    .sourceBroken,
                    "the server was promoted during the backup",
                    hint: "run the backup again"
                )
            }
            let captured = CapturedConfiguration(context, settings, preflight.hasSQL, session)
            try wal.finish(
                from: outcome.start.lsn,
                to: outcome.end.lsn,
                timeline: outcome.start.timeline
            )
            var point = try describe(
                session,
                profile,
                outcome,
                startedAt,
                captured.serverTime ?? context.clock.now
            )
            point.method = streams.method
            point.configurationFiles = captured.attachments.count
            let doubts = PointTerms(context, instance, options).apply(to: &point)
            context.meter.begin("commit")
            let committed = try session.commit(
                point,
                catalog: outcome.catalog,
                attachments: outcome.attachments + captured.attachments
            )
            return BackupResult(
                point: committed,
                warnings: preflight.warnings + streams.warnings + captured.warnings
                    + damage(committed) + quotaWarnings(committed) + doubts,
                hints: streams.hints
            )
        } catch {
            wal.abandon()
            throw error
        }
    }

    /// Saves drafts of the point, as far as it is known before the backup has begun.
    private func drafts(
        _ session: BackupSession,
        _ parents: ParentMaps?,
        _ profile: ServerProfile,
        _ startedAt: Timestamp
    ) -> DraftKeeper {
        let point = RecoveryPoint(
            id: session.id,
            instance: instance.name,
            systemIdentifier: instance.systemIdentifier,
            startedAt: startedAt,
            finishedAt: startedAt,
            consistentAt: startedAt,
            startLSN: .zero,
            stopLSN: .zero,
            timeline: profile.identity.timeline,
            serverVersion: profile.version
        )
        return DraftKeeper(session, point, clusterBytes: parents?.reader.point.logicalBytes)
    }

    private func begin(
        _ wal: BackupWAL,
        _ session: BackupSession,
        at start: BaseBackupStart
    ) throws {
        let known = session.parent?.point.logicalBytes ?? 0
        if let bytes = start.estimatedBytes { session.expect(instanceBytes: max(bytes, known)) }
        // From now on pruning knows which WAL this backup needs; until now it kept all.
        session.lease.setWALFloor(start.lsn)
        try session.lease.beat()
        try wal.begin(at: start)
    }

    private func describe(
        _ session: BackupSession,
        _ profile: ServerProfile,
        _ outcome: BackupPipeline.Outcome,
        _ startedAt: Timestamp,
        _ consistentAt: Timestamp
    ) throws -> RecoveryPoint {
        guard let bytes = outcome.kept["global/pg_control"] else {
            throw PgkeepError(
                .sourceBroken,
                "the backup came without global/pg_control",
                hint: "run the backup again"
            )
        }
        let control = try bytes.withUnsafeBytes { try ControlFile($0) }
        guard control.systemIdentifier == instance.systemIdentifier else {
            throw SourceCheck.foreign(control.systemIdentifier, instance.name.description)
        }
        var point = RecoveryPoint(
            id: session.id,
            instance: instance.name,
            systemIdentifier: control.systemIdentifier,
            startedAt: startedAt,
            finishedAt: startedAt,
            consistentAt: consistentAt,
            startLSN: outcome.start.lsn,
            stopLSN: outcome.end.lsn,
            timeline: outcome.start.timeline,
            serverVersion: profile.version
        )
        point.trigger = options.trigger
        point.fromStandby = profile.isInRecovery
        point.blockSize = control.blockSize
        point.segmentSize = control.segmentSize
        point.dataChecksums = control.hasDataChecksums
        point.settings = control.settings.raised(to: profile.recoveryFloor)
        point.tablespaces = outcome.start.tablespaces.map {
            RecoveryPoint.Tablespace(oid: $0.oid, path: $0.location)
        }
        point.checksumFailures = outcome.end.checksumFailures
        point.label = options.label
        point.note = options.note
        return point
    }

    /// Tells of a quota that is passed. The point is committed: nothing here may fail it.
    private func quotaWarnings(_ point: RecoveryPoint) -> [String] {
        let said = try? Quota.warning(context, instance, sourceBytes: point.logicalBytes)
        return said.map { [$0] } ?? []
    }

    private func damage(_ point: RecoveryPoint) -> [String] {
        guard !point.checksumFailures.isEmpty else { return [] }
        return ["the server found damaged pages; the point keeps them as they are:"]
            + point.checksumFailures.map(\.message)
    }
}
