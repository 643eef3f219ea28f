import Domain
import Platform
import Postgres
import Vaulting

/// A relation's file of which the server sent the changed blocks only, to be folded into the same
/// file of the parent point.
///
/// The rule (vault.md §2.1, checked against pg_combinebackup): the file is as long as the
/// truncation length or as the highest listed block needs; listed blocks come from the stream,
/// others below the truncation length from the parent if it has them; all else is zeros.
struct IncrementalFile: Sendable {
    /// The path under which it came, which is that in the server's manifest.
    let sentPath: [UInt8]
    /// Which blocks came, and how much of the rest counts.
    let header: IncrementalHeader
    /// CRC-32C of the header as it came.
    let headerChecksum: UInt32
    /// The file in the parent point.
    let parent: CatalogEntry

    /// Pages of the folded file.
    var pages: UInt64 { UInt64(header.length) }

    /// True when the file is the parent's, page by page.
    var isUnchanged: Bool {
        guard header.blocks.isEmpty, case .file(let size, _, _) = parent.kind else { return false }
        return size == pages * UInt64(VaultFormat.pageBytes)
    }

    /// The file's checksum where it is known without its bytes.
    var checksum: UInt32? {
        guard isUnchanged, case .file(_, let checksum, _) = parent.kind else { return nil }
        return checksum
    }

    /// The packs that hold the parent's pages of the file and their maps.
    var packs: [PackID] {
        switch parent.kind {
        case .file(_, _, .inline(let map)): map.packs
        case .file(_, _, .regions(let regions)): regions.flatMap { $0.usage.map(\.pack) }
        case .directory, .link: []
        }
    }

    /// Settles every page of the only region that the stream does not bring, but for pages that
    /// are to move to another pack: these are noted in the region.
    func settle(_ region: IncomingFile.Region, _ evacuation: Evacuation?) throws {
        let known = region.parent?.map
        guard case .file(let size, _, _) = parent.kind, size == 0 || known != nil else {
            throw PgkeepError(
                .integrity,
                "the map of \(parent.pathText) in the parent point cannot be read",
                hint: "run pgkeep vault check"
            )
        }
        let kept = min(Int(header.truncationLength), known?.pages ?? 0)
        var listed = header.blocks[...]
        for page in 0..<region.map.pages {
            if let next = listed.first, Int(next) == page {
                listed.removeFirst()
            } else if page >= kept {
                region.map.setZero(page)
            } else if let evacuation, let turns = region.turns,
                region.map.parentFingerprint(page) != nil,
                evacuation.takesPage(turns[region.map.parentPack(page)])
            {
                region.moving.append(page)
            } else {
                region.map.keep(page)
            }
        }
    }

    /// The checksum of the bytes that came, from those of the pages of the region.
    func checksum(of pages: UnsafePointer<UInt32>, _ joiner: CRC32CJoiner) -> UInt32 {
        header.blocks.reduce(headerChecksum) { joiner.append(pages[Int($1)], to: $0) }
    }
}

/// The beginning of an `IncrementalFile` while its header arrives.
struct ArrivingChanges {
    /// What the tar header says.
    let entry: TarEntry
    /// The path under which it came.
    let sentPath: [UInt8]
    /// The path of the file it stands for.
    let path: [UInt8]
    private var reader: IncrementalHeaderReader
    private var checksum: UInt32 = 0

    /// Nil when `entry`, under `path`, is an ordinary file.
    init?(_ entry: TarEntry, path sentPath: [UInt8]) {
        guard let path = IncrementalHeader.target(of: sentPath) else { return nil }
        self.entry = entry
        self.sentPath = sentPath
        self.path = path
        reader = IncrementalHeaderReader(fileBytes: entry.size)
    }

    /// Takes what belongs to the header; returns what is left, which is blocks.
    mutating func feed(_ bytes: UnsafeRawBufferPointer) throws -> UnsafeRawBufferPointer {
        let taken = try reader.feed(bytes)
        checksum = CRC32C.of(UnsafeRawBufferPointer(rebasing: bytes[..<taken]), from: checksum)
        return UnsafeRawBufferPointer(rebasing: bytes[taken...])
    }

    /// The file, once its header is complete.
    func file(parents: ParentMaps?) throws -> IncrementalFile? {
        guard let header = reader.header else { return nil }
        // Only what the uploaded manifest lists may come like this, and it lists the parent's.
        guard let parent = try parents?.entry(path), case .file = parent.kind else {
            throw PgkeepError(
                .sourceIncremental,
                "\(String(decoding: sentPath, as: UTF8.self)) came, but the parent point does not"
                    + " have the file"
            )
        }
        return IncrementalFile(
            sentPath: sentPath,
            header: header,
            headerChecksum: checksum,
            parent: parent
        )
    }

    /// Throws when the file has ended within its header.
    func finish() throws { try reader.finish() }
}

extension FileCollector {
    /// Begins a file of which changed blocks come; nil when it is as in the parent, and done.
    func begin(_ arriving: ArrivingChanges, _ changes: IncrementalFile) throws -> IncomingFile? {
        let isMoving = parents?.evacuation.takesAny(of: changes.packs) ?? false
        guard changes.isUnchanged, !isMoving else {
            return begin(arriving.entry, path: arriving.path, changes: changes)
        }
        // No map is read: the parent's entry serves, with its checksum where that is known.
        try addEntry(
            CatalogEntry(
                path: arriving.path,
                mode: arriving.entry.mode,
                modifiedSeconds: arriving.entry.modified,
                kind: changes.parent.kind
            ),
            sentAs: changes.sentPath,
            Checksum(size: arriving.entry.size, crc32c: changes.headerChecksum)
        )
        return nil
    }
}
