import Domain
import Engine
import Logging
import Platform
import Storage
import TestSupport
import Vaulting

/// What cron's lines do on one host: the program's own due work, but for what needs a server. A
/// backup takes made-up files of a server that always has something new, and a drill restores
/// nothing.
struct CronLines {
    /// The one instance.
    static let system = SyntheticInstance.system

    let context: JobContext

    init(_ store: any ObjectStore, _ clock: any Platform.Clock) throws {
        self.init(try Vault.open(store: store, keySource: SyntheticInstance.key), clock)
    }

    init(_ vault: Vault, _ clock: any Platform.Clock) {
        context = JobContext(
            vault: vault,
            clock: clock,
            log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            pace: .none
        )
    }

    /// The instance as it is now.
    func instance() throws -> InstanceRecord {
        try Instances.find(context, InstanceName(checking: "main"))
    }

    // MARK: - The lines

    /// `backup run-due`
    func backUp() throws -> [DueEntry] {
        let actions = DueBackups.Actions(look: { _, _, _ in .ready }, backUp: Self.backUp)
        return try DueBackups(context: context, options: DueOptions(), actions: actions).run()
    }

    /// `drill run-due`
    func drill() throws -> [DueDrill] {
        try DueDrills(context: context, action: Self.drill).run()
    }

    /// `vault prune`
    func prune() throws {
        let report = try PruneJob(context: context).run()
        if let error = report.error { throw error }
    }

    // MARK: - What a server would be needed for

    private static func backUp(
        _ context: JobContext,
        _ record: InstanceRecord,
        _ options: BackupOptions,
        _ queued: JobID?
    ) throws -> BackupResult {
        try Job.run(
            context,
            kind: .backup,
            instance: record.name,
            trigger: options.trigger.rawValue,
            queued: queued
        ) { job in
            let point = try takeBackup(context, record, options)
            job.setPoint(point.id)
            return BackupResult(point: point, warnings: [])
        }
    }

    /// Goes the way of a real one.
    private static func takeBackup(
        _ context: JobContext,
        _ record: InstanceRecord,
        _ options: BackupOptions
    ) throws -> RecoveryPoint {
        let begun = context.clock.now
        let session = try BackupSession.begin(
            context.vault,
            record.systemIdentifier,
            parent: nil,
            clock: context.clock
        )
        do {
            let claim = try Claim.acquire(.backup, lease: session.lease, token: context.token)
            defer { try? claim.release() }
            let outcome = try SyntheticStream.take(
                [Array("base/5/1".utf8): TarMaker.File(size: 8192, pages: [:])],
                into: session,
                workers: 1
            )
            var point = try SyntheticStream.point(session.id)
            point.startedAt = begun
            point.trigger = options.trigger
            return try session.commit(
                point,
                catalog: outcome.catalog,
                attachments: outcome.attachments
            )
        } catch {
            session.abandon()
            throw error
        }
    }

    /// Finds the newest point sound; a receipt that cannot be kept is a warning, as in a real one.
    private static func drill(
        _ context: JobContext,
        _ record: InstanceRecord
    ) throws -> RecordedDrill.Result {
        let drill = try Job.run(
            context,
            kind: .drill,
            instance: record.name,
            trigger: "scheduled"
        ) { job in
            var drill = Drill(
                id: job.id,
                instance: record.name,
                systemIdentifier: record.systemIdentifier,
                trigger: "scheduled",
                host: "here",
                target: Drill.Target(RecoveryTargetSpec(), isRandom: false),
                startedAt: context.clock.now
            )
            drill.point = try PointStore.list(context.vault, record.systemIdentifier).last?.id
            drill.level = .started
            drill.outcome = .sound
            drill.endedAt = context.clock.now
            do {
                try Drills.keep(context, drill)
            } catch {
                job.warn("the receipt cannot be kept: \(error)")
            }
            return drill
        }
        return RecordedDrill.Result(drill: drill, error: nil)
    }
}
