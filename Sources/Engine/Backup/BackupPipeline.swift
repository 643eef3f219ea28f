import Domain
package import Platform
package import Postgres
import Sealing
package import Vaulting

/// The data path of a backup: this thread receives, workers compare, compress, seal and store.
///
/// Memory is bounded by the stripes of the pool, a frame and an output buffer for each worker, and
/// the maps of the regions being filled.
package struct BackupPipeline {
    /// What came through.
    package struct Outcome {
        package var start: BaseBackupStart
        package var end: BaseBackupEnd
        /// Small files the point's record is made of, by path.
        package var kept: [String: [UInt8]]
        package var catalog: CatalogWriter
        package var attachments: [Attachment]
    }

    let session: BackupSession
    /// The point whose unchanged pages are kept, if there is one.
    let parents: ParentMaps?
    /// Saves what is done should the backup not end.
    let drafts: DraftKeeper?
    let options: BackupOptions
    let meter: ProgressMeter
    let token: CancellationToken
    /// Take changed blocks only; the parent's manifest must have been uploaded.
    package var isIncremental = false

    /// A data path into `session`; `parents` shows the pages of the session's parent.
    package init(
        session: BackupSession,
        parents: ParentMaps? = nil,
        drafts: DraftKeeper? = nil,
        options: BackupOptions,
        meter: ProgressMeter,
        token: CancellationToken
    ) {
        self.session = session
        self.parents = parents
        self.drafts = drafts
        self.options = options
        self.meter = meter
        self.token = token
    }

    /// Takes the backup's files in; on return all pages are handed to the vault and every file has
    /// been compared with the server's manifest. `began` is called when the server has fixed the
    /// start of the backup.
    func run(
        on connection: Connection,
        began: @escaping (BaseBackupStart) throws -> Void
    ) throws -> Outcome {
        try run(began: began) { try receive(connection, $0) }
    }

    /// As above, with a stream of any origin: `receive` hands it to the receiver it is given.
    package func run(
        began: @escaping (BaseBackupStart) throws -> Void,
        receive: (any BaseBackupHandler) throws -> BaseBackupEnd
    ) throws -> Outcome {
        let pool = try StripePool(count: options.workers * 2 + 4)
        let stripes = Channel<Stripe>(capacity: options.workers * 2)
        let files = FileCollector(session: session.id, parents: parents)
        let workers = try startWorkers(pool, stripes, files)
        let tail = session.makePackWriter()
        let manifest = AttachmentWriter(
            name: "backup_manifest",
            kind: .serverManifest,
            with: tail
        )
        let check = ManifestCheck(files)
        let receiver = BackupReceiver(
            pool: pool,
            stripes: stripes,
            files: files,
            isIncremental: isIncremental,
            meter: meter,
            began: began
        ) { bytes in
            try check.feed(bytes)
            try manifest.append(bytes)
        }
        do {
            let end = try receive(receiver)
            try receiver.finish()
            stripes.finish()
            for worker in workers { try worker.join() }
            files.check()
            try check.finish()
            let attachment = try manifest.finish()
            try tail.finish()
            guard let start = receiver.start else {
                throw PgkeepError(.sourceBroken, "the server sent no start of the backup")
            }
            return Outcome(
                start: start,
                end: end,
                kept: receiver.kept,
                catalog: files.catalog,
                attachments: [attachment]
            )
        } catch {
            // Wake whoever waits, then let everybody leave before the session is given up.
            stripes.abort(error)
            pool.abort(error)
            for worker in workers { try? worker.join() }
            throw error
        }
    }

    private func startWorkers(
        _ pool: StripePool,
        _ stripes: Channel<Stripe>,
        _ files: FileCollector
    ) throws -> [Thread<Void>] {
        let key = try session.vault.keys.fingerprintKey()
        let (evacuation, drafts) = (parents?.evacuation, drafts)
        return (0..<options.workers).map { number in
            let packs = UncheckedBox(session.makePackWriter())
            return Thread<Void>("page-worker-\(number)") {
                do {
                    try PageWorker(
                        stripes: stripes,
                        pool: pool,
                        packs: packs.value,
                        fingerprinter: Fingerprinter(key: key),
                        files: files,
                        evacuation: evacuation,
                        drafts: drafts
                    ).work()
                } catch {
                    stripes.abort(error)
                    pool.abort(error)
                    throw error
                }
            }
        }
    }

    private func receive(
        _ connection: Connection,
        _ receiver: any BaseBackupHandler
    ) throws -> BaseBackupEnd {
        var wanted = BaseBackupOptions(
            label: options.label,
            checkpoint: options.fastCheckpoint ? .fast : .spread
        )
        wanted.maxRate = options.maxRate
        wanted.isIncremental = isIncremental
        meter.begin("checkpoint")
        return try BaseBackupStream.run(
            on: connection,
            wanted,
            handler: receiver,
            cancellation: token
        )
    }
}

/// Hands something to the one thread that will use it.
struct UncheckedBox<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}
