import Domain
import Platform
import Sealing
import Storage
import TestSupport
import Vaulting

/// A made-up data directory, backed up by as many workers as asked and read back.
struct SyntheticBackup {
    static let system = SystemIdentifier(0x6a5b_4c3d_2e1f_0001)

    /// Content by path; directories and links are entries without content.
    var files: [String: [UInt8]] = [:]
    var directories: [String] = ["base", "base/5", "pg_tblspc"]
    var links: [String: String] = ["pg_tblspc/16400": "/srv/tablespace"]

    /// Files that are zeros but for a few pages.
    var sparse: [String: Sparse] = [:]
    var segmentSize: UInt64 = 16 << 20

    struct Sparse {
        var size: UInt64
        var pages: [Int: [UInt8]] = [:]
    }

    static func keySource(_ seed: UInt8 = 7) -> KeySource {
        .keyFile(SecretBytes([UInt8](repeating: seed, count: 32)))
    }

    static func makeVault(_ store: any ObjectStore = MemoryStore()) throws -> Vault {
        try Vault.create(store: store, keySource: keySource())
    }

    /// Files of all shapes: empty, short, page-sized, zero pages, short last page, several frames,
    /// more pages than an inline map holds.
    static func small(seed: UInt64 = 1) -> SyntheticBackup {
        var random = SeededRandom(seed: seed)
        var backup = SyntheticBackup()
        func pages(_ count: Int, zero: Set<Int> = [], short: Int = 0) -> [UInt8] {
            var bytes: [UInt8] = []
            for page in 0..<count {
                bytes += zero.contains(page) ? [UInt8](repeating: 0, count: 8192) : page8(&random)
            }
            return Array(bytes.dropLast(short))
        }
        backup.files = [
            "PG_VERSION": Array("18\n".utf8),
            "base/5/1259": pages(3),
            "base/5/1259_vm": pages(1, zero: [0]),
            "base/5/2619": pages(17, zero: [0, 5, 6, 7, 16], short: 100),
            "base/5/empty": [],
            "base/5/16384": pages(70, zero: [3, 64]),
            "base/5/zeros": [UInt8](repeating: 0, count: 8192 * 66 - 5),
            "global/pg_control": pages(1),
            "pg_tblspc/16400/PG_18/5/24576": pages(2, short: 8000),
        ]
        return backup
    }

    /// A page that compresses a little, as real ones do.
    static func page8(_ random: inout SeededRandom) -> [UInt8] {
        let word = random.next()
        var page = [UInt8](repeating: 0x55, count: 8192)
        for index in stride(from: 0, to: page.count, by: 4) {
            page[index] = UInt8(truncatingIfNeeded: word >> UInt64(index % 61))
        }
        return page
    }

    // MARK: Backing up

    func run(
        in vault: Vault,
        workers: Int = 1,
        parent: PointReader? = nil,
        attachments: [String: [UInt8]] = [:],
        clock: any Platform.Clock = SystemClock()
    ) throws -> RecoveryPoint {
        let session = try BackupSession.begin(vault, Self.system, parent: parent, clock: clock)
        do {
            return try run(session, workers: workers, attachments: attachments)
        } catch {
            session.abandon()
            throw error
        }
    }

    func run(
        _ session: BackupSession,
        workers: Int = 1,
        attachments: [String: [UInt8]] = [:]
    ) throws -> RecoveryPoint {
        let catalog = try store(session, workers: workers)
        let writer = session.makePackWriter()
        let captured = try attachments.sorted { $0.key < $1.key }.map { name, bytes in
            let attachment = AttachmentWriter(name: name, kind: .configuration, with: writer)
            try attachment.append(bytes)
            return try attachment.finish()
        }
        try writer.finish()
        var point = try Self.point(session.id)
        point.segmentSize = WALSegmentSize(bytes: segmentSize) ?? .standard
        return try session.commit(
            point,
            catalog: catalog,
            attachments: captured
        )
    }

    static func point(_ id: PointID) throws -> RecoveryPoint {
        guard let name = InstanceName("main") else { preconditionFailure("a name") }
        let time = Timestamp(seconds: 1_767_225_600)
        return RecoveryPoint(
            id: id,
            instance: name,
            systemIdentifier: system,
            startedAt: time,
            finishedAt: time,
            consistentAt: time,
            startLSN: LSN(0x200_0028),
            stopLSN: LSN(0x200_0100),
            timeline: 2,
            serverVersion: ServerVersion(number: 180_000)
        )
    }

    /// Stores all pages: workers take chunks of the files in turn, as the pipeline does.
    func store(_ session: BackupSession, workers: Int) throws -> CatalogWriter {
        let catalog = CatalogWriter()
        let names = files.keys.sorted()
        let builders = try makeBuilders(session)
        let threads = (0..<workers).map { worker in
            Thread("worker-\(worker)") { [files] in
                let writer = session.makePackWriter()
                let fingerprinter = Fingerprinter(key: try session.vault.keys.fingerprintKey())
                for (number, name) in names.enumerated() {
                    let bytes = files[name] ?? []
                    try Self.store(
                        bytes,
                        builders[name] ?? [],
                        writer,
                        fingerprinter,
                        takes: { (number + $0) % workers == worker }
                    )
                }
                try writer.finish()
            }
        }
        for thread in threads { try thread.join() }
        let writer = session.makePackWriter()
        for name in names {
            let bytes = files[name] ?? []
            try catalog.add(
                CatalogEntry(
                    path: Array(name.utf8),
                    mode: 0o600,
                    modifiedSeconds: 1_700_000_000,
                    kind: .file(
                        size: UInt64(bytes.count),
                        crc32c: bytes.withUnsafeBytes { CRC32C.of($0) },
                        content: try FileContent.of(builders[name] ?? [], with: writer)
                    )
                )
            )
        }
        for (name, file) in sparse {
            try catalog.add(Self.store(file, name, session, writer))
        }
        try writer.finish()
        try addOthers(to: catalog)
        return catalog
    }

    private func addOthers(to catalog: CatalogWriter) throws {
        for directory in directories {
            try catalog.add(
                CatalogEntry(
                    path: Array(directory.utf8),
                    mode: 0o700,
                    modifiedSeconds: -1,
                    kind: .directory
                )
            )
        }
        for (link, target) in links {
            try catalog.add(
                CatalogEntry(
                    path: Array(link.utf8),
                    mode: 0o777,
                    modifiedSeconds: 0,
                    kind: .link(target: Array(target.utf8))
                )
            )
        }
    }

    private func makeBuilders(
        _ session: BackupSession
    ) throws -> [String: [RegionMapBuilder]] {
        var builders: [String: [RegionMapBuilder]] = [:]
        for name in files.keys {
            let pages = FileContent.pages(ofSize: UInt64(files[name]?.count ?? 0))
            let old = try session.parent?.entry(path: name)
            builders[name] = try (0..<FileContent.regions(ofPages: pages)).map { region in
                let before = try old.flatMap {
                    try session.parent?.map(of: $0, region: region, fingerprints: true)
                }
                return session.makeRegionBuilder(
                    pages: min(pages - region * VaultFormat.regionPages, VaultFormat.regionPages),
                    parent: before
                )
            }
        }
        return builders
    }

    private static func store(
        _ bytes: [UInt8],
        _ builders: [RegionMapBuilder],
        _ writer: PackWriter,
        _ fingerprinter: Fingerprinter,
        takes: (Int) -> Bool
    ) throws {
        try bytes.withUnsafeBytes { content in
            for (number, start) in stride(from: 0, to: content.count, by: 8192).enumerated()
            where takes(number / 5) {
                let region = builders[number / VaultFormat.regionPages]
                let position = number % VaultFormat.regionPages
                let end = min(start + 8192, content.count)
                let page = UnsafeRawBufferPointer(rebasing: content[start..<end])
                if isZero(page) {
                    region.setZero(position)
                    continue
                }
                var full = Array(page)
                full += [UInt8](repeating: 0, count: 8192 - full.count)
                let fingerprint = full.withUnsafeBytes { fingerprinter.fingerprint($0) }
                if region.parentFingerprint(position) == fingerprint {
                    region.keep(position)
                } else {
                    region.set(
                        position,
                        fingerprint: fingerprint,
                        location: try writer.append(page: page)
                    )
                }
            }
        }
    }

    private static func store(
        _ file: Sparse,
        _ name: String,
        _ session: BackupSession,
        _ writer: PackWriter
    ) throws -> CatalogEntry {
        let fingerprinter = Fingerprinter(key: try session.vault.keys.fingerprintKey())
        let pages = FileContent.pages(ofSize: file.size)
        let builders = try (0..<FileContent.regions(ofPages: pages)).map { region in
            let first = region * VaultFormat.regionPages
            let builder = session.makeRegionBuilder(
                pages: min(pages - first, VaultFormat.regionPages)
            )
            for page in 0..<builder.pages {
                guard let bytes = file.pages[first + page] else {
                    builder.setZero(page)
                    continue
                }
                try bytes.withUnsafeBytes {
                    builder.set(
                        page,
                        fingerprint: fingerprinter.fingerprint($0),
                        location: try writer.append(page: $0)
                    )
                }
            }
            return builder
        }
        return CatalogEntry(
            path: Array(name.utf8),
            mode: 0o600,
            modifiedSeconds: 1,
            kind: .file(
                size: file.size,
                crc32c: nil,
                content: try FileContent.of(builders, with: writer)
            )
        )
    }

    // MARK: Reading back

    /// Everything a point holds, read the way a restore does.
    static func read(_ vault: Vault, _ id: PointID) throws -> SyntheticBackup {
        try read(PointReader(vault, system, id))
    }

    /// Everything an opened point holds.
    static func read(_ point: PointReader) throws -> SyntheticBackup {
        var result = SyntheticBackup(files: [:], directories: [], links: [:])
        let cursor = point.catalog()
        let fetcher = point.makeFetcher()
        while let entry = try cursor.next() {
            switch entry.kind {
            case .directory: result.directories.append(entry.pathText)
            case .link(let target):
                result.links[entry.pathText] = String(decoding: target, as: UTF8.self)
            case .file(let size, let checksum, _):
                let pages = FileContent.pages(ofSize: size)
                var bytes = [UInt8](repeating: 0, count: pages * 8192)
                for region in 0..<FileContent.regions(ofPages: pages) {
                    guard
                        let map = try point.map(of: entry, region: region, fingerprints: false)
                    else { continue }
                    let runs = try point.runs(
                        of: map,
                        tag: UInt64(region * VaultFormat.regionPages)
                    )
                    try fetcher.fetch(runs.shuffled()) { tag, found in
                        bytes.replaceSubrange(
                            Int(tag) * 8192..<Int(tag) * 8192 + found.count,
                            with: found
                        )
                    }
                }
                bytes.removeLast(bytes.count - Int(size))
                let actual = bytes.withUnsafeBytes { CRC32C.of($0) }
                guard checksum == actual else {
                    throw PgkeepError(.integrity, "\(entry.pathText) has another checksum")
                }
                result.files[entry.pathText] = bytes
            }
        }
        return result
    }
}
