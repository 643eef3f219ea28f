import Domain
import Engine
import Platform
import Postgres
import Sealing
import Storage
import TestSupport
import Vaulting

/// An instance without a server: a test makes up its files, which go through the real data path
/// into a vault in memory and are read back page by page.
final class SyntheticInstance {
    static let system = SystemIdentifier(0x6a5b_4c3d_2e1f_0002)

    static var key: KeySource {
        .keyFile(SecretBytes([UInt8](repeating: 3, count: 32)))
    }

    /// The store; its clock is not the instance's.
    let store = MemoryStore()
    let vault: Vault
    /// Stands still unless moved.
    let clock = ManualClock()
    /// The files as they are now, by path.
    var files: [String: TarMaker.File] = [:]
    /// What `backUp` is given to.
    var workers = 2
    /// Bytes at which packs are closed.
    var packLimit: UInt64?

    init() throws { vault = try Vault.create(store: store, keySource: Self.key) }

    /// Takes a backup, compared with `parent`; `describe` says more of the point.
    func backUp(
        after parent: PointID?,
        policy: Evacuation.Policy = Evacuation.Policy(),
        damaged: Set<PackID> = [],
        describe: (inout RecoveryPoint) throws -> Void = { _ in }
    ) throws -> RecoveryPoint {
        let parents = try parent.map { id in
            let reader = try PointReader(vault, Self.system, id)
            return ParentMaps(
                reader,
                evacuation: Evacuation(
                    of: reader.root,
                    damaged: damaged,
                    policy: policy,
                    now: clock.now
                )
            )
        }
        let session = try BackupSession.begin(
            vault,
            Self.system,
            parent: parents?.reader,
            clock: clock
        )
        if let packLimit { session.closePacks(at: packLimit) }
        do {
            let outcome = try SyntheticStream.take(
                Dictionary(uniqueKeysWithValues: files.map { (Array($0.key.utf8), $0.value) }),
                into: session,
                parents: parents,
                workers: workers
            )
            var point = try SyntheticStream.point(session.id)
            try describe(&point)
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

    /// Removes points and every pack that only they needed, as pruning does.
    func remove(_ points: [PointID]) throws {
        for point in points { try store.delete(VaultNames.root(Self.system, point)) }
        var needed: Set<ObjectName> = []
        for listed in try PointStore.list(vault, Self.system) {
            let root = try PointReader(vault, Self.system, listed.id).root
            needed.formUnion(root.packs.map { VaultNames.pack(Self.system, $0.info.id) })
        }
        for pack in try store.list(prefix: VaultNames.packPrefix(Self.system))
        where !needed.contains(pack.name) {
            try store.delete(pack.name)
        }
    }

    /// What the closest check there is finds wrong with the points and the packs they need.
    func damage() throws -> [String] {
        let points = Set(try PointStore.list(vault, Self.system).map(\.id))
        return try VaultCheck(vault, level: .decode).run().damage.compactMap {
            switch ObjectPlace($0.object) {
            case .root(_, let id) where points.contains(id): "\($0.object): \($0.reason)"
            case .pack: "\($0.object): \($0.reason)"
            default: nil
            }
        }
    }

    /// Bytes of all packs.
    func packBytes() throws -> UInt64 {
        try store.list(prefix: VaultNames.packPrefix(Self.system)).reduce(0) { $0 + $1.size }
    }

    /// Says how a point differs from `expected`; nil when it is that, byte for byte.
    func difference(of id: PointID, from expected: [String: TarMaker.File]) throws -> String? {
        let point = try PointReader(vault, Self.system, id)
        let cursor = point.catalog()
        let fetcher = point.makeFetcher()
        var seen = 0
        while let entry = try cursor.next() {
            guard case .file(let size, let checksum, _) = entry.kind else { continue }
            guard let file = expected[entry.pathText] else { return "\(entry.pathText) is new" }
            guard size == UInt64(file.size), checksum == file.checksum else {
                return "\(entry.pathText) has another size or checksum"
            }
            seen += 1
            for region in 0..<FileContent.regions(ofPages: FileContent.pages(ofSize: size)) {
                guard let map = try point.map(of: entry, region: region, fingerprints: true) else {
                    return "\(entry.pathText) has no region \(region)"
                }
                let first = region * VaultFormat.regionPages
                var left = Set(file.pages.keys.filter { $0 / VaultFormat.regionPages == region })
                var wrong: Int?
                try fetcher.fetch(try point.runs(of: map, tag: UInt64(first))) { tag, bytes in
                    for index in 0..<bytes.count / 8192 {
                        let page = Int(tag) + index
                        let found = UnsafeRawBufferPointer(
                            rebasing: bytes[index * 8192..<(index + 1) * 8192]
                        )
                        let wanted = file.fullPage(page)
                        if wanted.withUnsafeBytes({ CRC32C.of($0) }) != CRC32C.of(found) {
                            wrong = page
                        }
                        left.remove(page)
                    }
                }
                if let wrong { return "page \(wrong) of \(entry.pathText) is another" }
                for page in left where file.fullPage(page).contains(where: { $0 != 0 }) {
                    return "page \(page) of \(entry.pathText) is missing"
                }
            }
        }
        return seen == expected.count ? nil : "\(expected.count - seen) files are missing"
    }
}

extension TarMaker.File {
    /// A page as the vault has it: cut at the end of the file and filled up with zeros.
    fileprivate func fullPage(_ number: Int) -> [UInt8] {
        let content = (pages[number] ?? []).prefix(size - number * 8192)
        return content + [UInt8](repeating: 0, count: 8192 - content.count)
    }
}

/// Sends made-up files through the data path of a backup.
enum SyntheticStream {
    /// What the manifest says of each file, by path.
    typealias Listing = [[UInt8]: (size: Int, crc: UInt32)]

    /// The stream ended early, as asked.
    struct Cut: Error {}

    /// Sends files through the pipeline. `corrupt` may change what the manifest says of them;
    /// `cutAfter` ends the stream with an error after so many files.
    @discardableResult
    static func take(
        _ files: [[UInt8]: TarMaker.File],
        into session: BackupSession,
        parents: ParentMaps? = nil,
        drafts: DraftKeeper? = nil,
        workers: Int,
        cutAfter: Int = .max,
        _ corrupt: (inout Listing) -> Void = { _ in }
    ) throws -> BackupPipeline.Outcome {
        let pipeline = BackupPipeline(
            session: session,
            parents: parents,
            drafts: drafts,
            options: BackupOptions(workers: workers),
            meter: ProgressMeter(),
            token: CancellationToken()
        )
        return try pipeline.run(began: { _ in }) { receiver in
            try receiver.begin(
                BaseBackupStart(lsn: LSN(0x28), timeline: 1, tablespaces: [], estimatedBytes: nil)
            )
            try receiver.archive(nil)
            let tar = TarMaker(receiver)
            for directory in ["base", "base/5", "global"] { try tar.sendDirectory(directory) }
            var listed: Listing = [:]
            for (path, file) in files.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
                if listed.count == cutAfter { throw Cut() }
                try tar.send(file, as: path)
                listed[path] = (file.size, file.checksum)
            }
            try tar.finish()
            corrupt(&listed)
            try send(listed, to: receiver)
            return BaseBackupEnd(
                lsn: LSN(0x100),
                timeline: 1,
                notices: [],
                hasChecksumFailures: false
            )
        }
    }

    /// A point's description as far as the server gives it.
    static func point(_ id: PointID) throws -> RecoveryPoint {
        let time = Timestamp(seconds: 1_767_225_600)
        return RecoveryPoint(
            id: id,
            instance: try InstanceName(checking: "main"),
            systemIdentifier: SyntheticInstance.system,
            startedAt: time,
            finishedAt: time,
            consistentAt: time,
            startLSN: LSN(0x28),
            stopLSN: LSN(0x100),
            timeline: 1,
            serverVersion: ServerVersion(number: 180_000)
        )
    }

    private static func send(
        _ listed: Listing,
        to receiver: any BaseBackupHandler
    ) throws {
        var writer = BackupManifestWriter(
            majorVersion: 18,
            systemIdentifier: SyntheticInstance.system,
            digest: .sha256(),
            write: { try receiver.manifest($0) }
        )
        for (path, file) in listed {
            try writer.add(
                ManifestFile(
                    path: path,
                    size: UInt64(file.size),
                    modified: Timestamp(seconds: 1_700_000_000),
                    crc32c: file.crc
                )
            )
        }
        try writer.finish([])
    }
}
