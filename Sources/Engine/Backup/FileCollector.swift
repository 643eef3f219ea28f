import Domain
import Platform
import Postgres
import Synchronization
import Vaulting

/// Turns files whose pages have all been placed into entries of the point's catalog.
final class FileCollector: Sendable {
    /// The catalog being written.
    let catalog = CatalogWriter()

    private let session: PointID
    let parents: ParentMaps?
    private let joiner = CRC32CJoiner(blockLength: IncomingFile.pageSize)
    private let counts = Mutex(Counts())

    private struct Counts {
        var open = 0
        var pages: UInt64 = 0
        var arrived: Set<UInt64> = []
    }

    /// A file's size and CRC-32C, to be compared with the server's manifest.
    struct Checksum {
        var size: UInt64
        var crc32c: UInt32

        /// These and the path in one number, so that a million files take 16 MiB and not 120. The
        /// hash is keyed anew in each process: nobody can prepare two files that look alike.
        func mark(_ path: [UInt8]) -> UInt64 {
            var hasher = Hasher()
            path.withUnsafeBytes { hasher.combine(bytes: $0) }
            hasher.combine(size)
            hasher.combine(crc32c)
            return UInt64(truncatingIfNeeded: hasher.finalize())
        }
    }

    init(session: PointID, parents: ParentMaps?) {
        self.session = session
        self.parents = parents
    }

    /// Pages of all files so far.
    var pages: UInt64 { counts.withLock { $0.pages } }

    /// Begins a file, all of it or changed blocks of it.
    func begin(
        _ entry: TarEntry,
        path: [UInt8],
        changes: IncrementalFile? = nil
    ) -> IncomingFile {
        let file = IncomingFile(
            entry: entry,
            path: path,
            session: session,
            parents: parents,
            changes: changes
        )
        counts.withLock { counts in
            counts.open += 1
            counts.pages += file.pages
        }
        return file
    }

    /// Adds a directory or link.
    func add(_ entry: TarEntry, path: [UInt8]) throws {
        try catalog.add(
            CatalogEntry(
                path: path,
                mode: entry.mode,
                modifiedSeconds: entry.modified,
                kind: entry.kind == .symbolicLink ? .link(target: entry.linkTarget) : .directory
            )
        )
    }

    /// The file's last byte has come; its pages may still be on their way.
    func received(_ file: IncomingFile) throws {
        guard file.received == file.pagesSent else {
            throw PgkeepError(
                .sourceBroken,
                "\(file.entry.displayPath) came with another length than announced",
                hint: "run the backup again"
            )
        }
        if file.pages == 0 { try add(file, regions: []) }
    }

    /// A region's last page has been placed: writes its map and, after the last region, the entry.
    func complete(
        _ region: IncomingFile.Region,
        _ number: Int,
        of file: IncomingFile,
        through packs: PackWriter
    ) throws {
        let bytes = file.bytes(ofRegion: number)
        let content: IncomingFile.RegionContent
        if file.pages <= UInt64(VaultFormat.inlinePages) {
            content = .inline(region.map.finish())
        } else if let parents {
            content = .stored(try parents.store(region.map, over: region.parent, with: packs))
        } else {
            content = .stored(try packs.append(map: region.map.finish()))
        }
        let stored = IncomingFile.StoredRegion(
            content: content,
            checksum: file.changes?.checksum(of: region.checksums, joiner)
                ?? checksum(of: region, bytes: bytes),
            bytes: bytes
        )
        if let regions = file.store(stored, number) { try add(file, regions: regions) }
    }

    /// Every file that was begun must have its entry: a matter of our own counting.
    func check() {
        let open = counts.withLock { $0.open }
        precondition(open == 0, "\(open) files have no entry")
    }

    /// True when this file arrived exactly so; once.
    func take(_ path: [UInt8], _ checksum: Checksum) -> Bool {
        let mark = checksum.mark(path)
        return counts.withLock { $0.arrived.remove(mark) != nil }
    }

    /// A file the server's manifest did not mention, if any is left.
    func unmentioned() throws -> String? {
        let left = counts.withLock { $0.arrived }
        guard !left.isEmpty else { return nil }
        var name: String?
        try catalog.forEachEntry { entry in
            guard case .file(let size, let crc?, _) = entry.kind else { return }
            let mark = Checksum(size: size, crc32c: crc).mark(entry.path)
            if left.contains(mark) { name = entry.pathText }
        }
        return name ?? "a file with changed blocks"
    }

    private func add(_ file: IncomingFile, regions: [IncomingFile.StoredRegion]) throws {
        // Of changed blocks alone the checksum of what came is known, not that of the file.
        var crc: UInt32 = file.changes?.headerChecksum ?? 0
        var references: [RegionRef] = []
        var content = FileContent.empty
        for region in regions {
            crc =
                file.changes == nil
                ? CRC32C.combine(crc, region.checksum, lengthOfSecond: region.bytes)
                : region.checksum
            switch region.content {
            case .inline(let map): content = .inline(map)
            case .stored(let reference): references.append(reference)
            }
        }
        if !references.isEmpty { content = .regions(references) }
        try addEntry(
            CatalogEntry(
                path: file.path,
                mode: file.entry.mode,
                modifiedSeconds: file.entry.modified,
                kind: .file(
                    size: file.size,
                    crc32c: file.changes.map(\.checksum) ?? crc,
                    content: content
                )
            ),
            sentAs: file.changes?.sentPath ?? file.path,
            Checksum(size: file.entry.size, crc32c: crc)
        )
        counts.withLock { $0.open -= 1 }
    }

    /// Adds a file's entry, and what to look for in the server's manifest.
    func addEntry(_ entry: CatalogEntry, sentAs path: [UInt8], _ checksum: Checksum) throws {
        try catalog.add(entry)
        let mark = checksum.mark(path)
        counts.withLock { _ = $0.arrived.insert(mark) }
    }

    private func checksum(of region: IncomingFile.Region, bytes: UInt64) -> UInt32 {
        let full = Int(bytes) / IncomingFile.pageSize
        let rest = bytes % UInt64(IncomingFile.pageSize)
        var crc: UInt32 = 0
        for page in 0..<full { crc = joiner.append(region.checksums[page], to: crc) }
        guard rest > 0 else { return crc }
        return CRC32C.combine(crc, region.checksums[full], lengthOfSecond: rest)
    }
}
