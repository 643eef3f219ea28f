import Domain
import Logging
import Platform
import Postgres
public import Vaulting

/// Restores a recovery point and prepares the copy to recover to the target by itself.
///
/// Order of events: plan and refusals, before a byte is written; lease; files, WAL up to
/// consistency, configuration; manifest; everything durable; `global/pg_control` last. Until then
/// the directory starts no server. Whatever fails removes what was written.
public struct RestoreJob {
    private let context: JobContext
    private let instance: InstanceRecord
    private let options: RestoreOptions

    /// The key a copy fetches its WAL with, in its data directory.
    static let keyName = "pgkeep-wal.key"

    /// A restore of `instance`.
    public init(context: JobContext, instance: InstanceRecord, options: RestoreOptions) {
        self.context = context
        self.instance = instance
        self.options = options
    }

    /// Restores; on return the copy is complete and durable, and not started.
    ///
    /// Throws `.outsideWindow` with the reachable times, `.targetDirectory`, `.integrity`,
    /// `.targetFull`, `.cancelled`.
    public func run() throws -> RestoreResult {
        let begun = context.clock.monotonicSeconds
        context.meter.begin("plan")
        let plan = try ArchiveSurvey(context, instance).plan(options.spec)
        if let error = plan.error { throw error }
        guard let point = plan.point else {
            throw PgkeepError(.outsideWindow, "no recovery point serves this target")
        }
        context.meter.plan("fetch", totalBytes: point.logicalBytes)
        context.meter.plan("wal", totalBytes: point.stopLSN - point.startLSN)
        let layout = try RestoreLayout(point, options)
        try RestoreTarget.check(plan.createdTablespaces)
        let lease = try Lease.begin(
            context.vault,
            instance.systemIdentifier,
            kind: .restore,
            parent: point.id,
            walFloor: point.startLSN,
            clock: context.clock
        )
        defer { try? lease.end() }
        let reader = try PointReader(context.vault, instance.systemIdentifier, point.id)
        do {
            var result = try write(plan, reader, layout)
            result.seconds = context.clock.monotonicSeconds - begun
            context.log.info(
                "restored",
                metadata: ["point": "\(point.id)", "directory": "\(layout.directory)"]
            )
            return result
        } catch {
            layout.empty()
            if let error = error as? PgkeepError, error.code == .storeFull {
                throw PgkeepError(
                    .targetFull,
                    "no space is left for the copy in \(layout.directory)",
                    hint: "free \(reader.point.logicalBytes) bytes there, or choose another place",
                    cause: error
                )
            }
            throw error
        }
    }

    private func write(
        _ plan: RestorePlan,
        _ reader: PointReader,
        _ layout: RestoreLayout
    ) throws -> RestoreResult {
        let point = reader.point
        // A group that may read the source's data directory may read the copy: the directory's own
        // mode is not part of a backup, but that of those in it follows it.
        let mode = try reader.entry(path: "global")?.mode ?? 0o700
        try layout.create(mode: mode & 0o750 | 0o700, owner: options.owner)
        let manifest = try RestoredManifest(point, in: layout.directory, owner: options.owner)
        let edits = RestoreEdits()
        context.meter.begin("fetch", totalBytes: point.logicalBytes)
        var warnings = try RestorePlacement(
            reader: reader,
            layout: layout,
            manifest: manifest,
            edits: edits,
            owner: options.owner,
            workers: options.workers,
            meter: context.meter,
            token: context.token
        ).run()
        try linkTablespaces(layout)
        try placeWAL(point, layout.directory)
        warnings += try configure(plan, reader, layout.directory, manifest, edits)
        try manifest.finish(point)
        context.meter.begin("sync")
        for path in Set([layout.directory] + layout.tablespaces.values) {
            try File(path, .directory).syncFileSystem()
        }
        try edits.release(owner: options.owner)
        if let parent = FileSystem.parent(of: layout.directory) {
            try FileSystem.syncDirectory(parent)
        }
        let totals = manifest.totals
        return RestoreResult(
            plan: plan,
            point: point,
            directory: layout.directory,
            tablespaces: layout.tablespaces,
            files: totals.files,
            bytes: totals.bytes,
            seconds: 0,
            warnings: plan.warnings + warnings
        )
    }

    /// Links instead of a tablespace map: verifying tools follow them before the server has run.
    private func linkTablespaces(_ layout: RestoreLayout) throws {
        for (oid, path) in layout.tablespaces {
            let link = "\(layout.directory)/pg_tblspc/\(oid)"
            try FileSystem.makeLink(link, to: path)
            try options.owner?.takeOwnership(of: link)
        }
    }

    /// The WAL that makes the files consistent lies beside them, so that the copy is complete in
    /// itself and `pg_verifybackup` can judge it whole.
    private func placeWAL(_ point: RecoveryPoint, _ directory: String) throws {
        let wal = WALSegmentReader(context.vault, instance.systemIdentifier)
        var segment = WALSegment(
            timeline: point.timeline,
            containing: point.startLSN,
            size: point.segmentSize
        )
        context.meter.begin("wal", totalBytes: point.stopLSN - segment.start)
        while segment.start < point.stopLSN {
            try context.token.check()
            let path = "\(directory)/pg_wal/\(segment)"
            guard try wal.fetch(segment.name, to: path) != nil else {
                throw PgkeepError(
                    .integrity,
                    "WAL segment \(segment) of recovery point \(point.id) is missing",
                    hint: "run pgkeep vault check; restore from another point"
                )
            }
            try options.owner?.takeOwnership(of: path)
            context.meter.add(segment.size.bytes)
            segment = segment.next
        }
    }

    private func configure(
        _ plan: RestorePlan,
        _ reader: PointReader,
        _ directory: String,
        _ manifest: RestoredManifest,
        _ edits: RestoreEdits
    ) throws -> [String] {
        let configuration = RestoredConfiguration(
            reader: reader,
            directory: directory,
            owner: options.owner,
            manifest: manifest,
            edits: edits
        )
        let warnings = try configuration.write()
        let keyPath = directory + "/" + Self.keyName
        try WALKeyFile(context.vault, instance.systemIdentifier).write(to: keyPath)
        try options.owner?.takeOwnership(of: keyPath)
        let key = try FileSystem.readFile(keyPath)
        try manifest.add(
            Array(Self.keyName.utf8),
            size: UInt64(key.count),
            crc32c: key.withUnsafeBytes { CRC32C.of($0) },
            modified: context.clock.now.seconds
        )
        let preload = try configuration.value(of: "shared_preload_libraries")
        var settings = RecoverySettings(
            major: reader.point.serverVersion.major,
            restoreCommand: restoreCommand(keyPath),
            recoveryEndCommand: "rm -f " + Self.inCommand(keyPath),
            target: plan.settings.map { RecoverySettings.Setting($0.name, $0.value) },
            timeline: plan.targetTimeline,
            pauses: options.pauses,
            floors: plan.floor.raised(to: reader.point.settings).settings
                .filter { $0.value > 0 }
                .map { RecoverySettings.Setting($0.name, String($0.value)) },
            isHarmless: options.isHarmless,
            preloadLibraries: preload.flatMap(RecoverySettings.withoutJobRunners),
            port: options.port,
            socketDirectory: socketDirectory(directory),
            hasInnerTablespaces: reader.point.tablespaces.contains { !$0.path.hasPrefix("/") },
            overrides: options.overrides
        )
        settings.origin = "\(instance.name), point \(reader.point.id)"
        try configuration.append(
            settings,
            heading: "pgkeep restore of \(instance.name) to \(plan.spec), point \(reader.point.id)"
        )
        return warnings
    }

    /// The copy recovers without help: its command names program, vault and key, and works for
    /// whoever starts the server.
    private func restoreCommand(_ key: String) -> String {
        [
            // The two words first: a command that begins so starts fastest.
            Self.inCommand(options.program), "wal fetch",
            "--vault", Self.inCommand(options.vaultLocation), "--wal-key", Self.inCommand(key),
            "--system-id", instance.systemIdentifier.description, "%f \"%p\"",
        ].joined(separator: " ")
    }

    /// A path as a shell word in a setting in which `%` begins a placeholder.
    private static func inCommand(_ path: String) -> String {
        ConfigurationText.shellWord(path).split(separator: "%", omittingEmptySubsequences: false)
            .joined(separator: "%%")
    }

    /// A socket path has room for 107 bytes only; a copy that lies too deep gets none.
    private func socketDirectory(_ directory: String) -> String? {
        (directory + "/.s.PGSQL.65535.lock").utf8.count < 107 ? directory : nil
    }
}
