import Domain
import Foundation
import Platform
import Sealing
import Storage
import TestSupport
import Vaulting

/// A vault of format 1 as this repository first wrote it, kept so that every later version proves
/// to restore it; and the way it was made.
///
/// `Fixtures/golden-v1/objects/` holds the objects by name, `key` the key file, `expected` one line
/// for each thing inside: SHA-256, bytes, name.
struct GoldenVault {
    static let system = SyntheticBackup.system
    static let segmentSize: UInt64 = 1 << 20

    /// The objects of the fixture, in memory.
    static func load() throws -> (store: MemoryStore, keySource: KeySource, expected: [String]) {
        let root = (Bundle.module.resourcePath ?? ".") + "/Fixtures/golden-v1"
        let store = MemoryStore()
        for name in try files(root + "/objects", "") {
            store.overwrite(
                ObjectName(name),
                with: try FileSystem.readFile("\(root)/objects/\(name)")
            )
        }
        let text = String(
            decoding: try FileSystem.readFile(root + "/expected"),
            as: UTF8.self
        )
        // Version control does not keep the mode that key files must have.
        let key = try ScratchDirectory.with { directory in
            let path = directory.file("key")
            try FileSystem.writeAtomically(path, try FileSystem.readFile(root + "/key"))
            return try KeyFile.read(path)
        }
        return (store, .keyFile(key), text.split(separator: "\n").map(String.init))
    }

    private static func files(_ root: String, _ prefix: String) throws -> [String] {
        try (FileSystem.list(root + "/" + prefix) ?? []).flatMap { name -> [String] in
            let path = prefix.isEmpty ? name : prefix + "/" + name
            let isDirectory = try FileSystem.info(root + "/" + path)?.kind == .directory
            return isDirectory ? try files(root, path) : [path]
        }
    }

    // MARK: What is inside

    /// One line for each thing in a vault: what a restore would find.
    static func describe(_ vault: Vault) throws -> [String] {
        var lines: [String] = []
        for record in try vault.instances().list() {
            lines.append("instance \(record.id) \(record.value?.systemIdentifier.hex ?? "-")")
        }
        for listed in try PointStore.list(vault, system) {
            let point = try PointReader(vault, system, listed.id)
            lines.append(
                "point \(listed.id) \(point.point.startLSN) \(point.point.stopLSN) "
                    + "parent \(point.point.parent?.description ?? "none")"
            )
            lines += try describe(point)
        }
        let archive = try WALArchive.load(
            vault,
            system,
            segmentSize: WALSegmentSize(bytes: segmentSize) ?? .standard
        )
        for segment in archive.segments {
            var bytes: [UInt8] = []
            _ = try WALSegmentReader(vault, system).read(segment.name) { bytes += $0 }
            lines.append(line(bytes, "wal \(segment.name)"))
        }
        for timeline in try TimelineArchive(vault, system).timelines() {
            let content = try TimelineArchive(vault, system).content(of: timeline) ?? []
            lines.append(line(content, "history \(timeline)"))
        }
        return lines
    }

    private static func describe(_ point: PointReader) throws -> [String] {
        var lines: [String] = []
        let cursor = point.catalog()
        while let entry = try cursor.next() {
            switch entry.kind {
            case .directory: lines.append("directory \(entry.mode) \(entry.pathText)")
            case .link(let target):
                lines.append("link \(entry.pathText) \(String(decoding: target, as: UTF8.self))")
            case .file(let size, let recorded, _):
                let (digest, checksum) = try digest(of: entry, size, point)
                guard recorded == nil || recorded == checksum else {
                    throw PgkeepError(.integrity, "\(entry.pathText) has another checksum")
                }
                lines.append("\(digest) \(size) \(entry.modifiedSeconds) \(entry.pathText)")
            }
        }
        for attachment in point.root.attachments {
            lines.append(line(try point.bytes(of: attachment), "attachment \(attachment.name)"))
        }
        return lines
    }

    /// SHA-256 and CRC-32C of a file's content, read as a restore reads it, zeros in between.
    private static func digest(
        of entry: CatalogEntry,
        _ size: UInt64,
        _ point: PointReader
    ) throws -> (String, UInt32) {
        var sha = SHA256()
        var checksum: UInt32 = 0
        let fetcher = point.makeFetcher()
        let window = 1024
        for region in 0..<FileContent.regions(ofPages: FileContent.pages(ofSize: size)) {
            guard let map = try point.map(of: entry, region: region, fingerprints: false) else {
                continue
            }
            for start in stride(from: 0, to: map.pages, by: window) {
                let end = min(start + window, map.pages)
                let slice = RegionMap(
                    packs: map.packs,
                    locations: Array(map.locations[start..<end]),
                    fingerprints: []
                )
                let position = UInt64(region * VaultFormat.regionPages + start) * 8192
                var bytes = [UInt8](
                    repeating: 0,
                    count: Int(min(UInt64(slice.pages) * 8192, size - position))
                )
                try fetcher.fetch(try point.runs(of: slice, tag: 0)) { tag, found in
                    let place = Int(tag) * 8192
                    let length = min(found.count, bytes.count - place)
                    bytes.replaceSubrange(place..<place + length, with: found[..<length])
                }
                bytes.withUnsafeBytes {
                    sha.update($0)
                    checksum = CRC32C.of($0, from: checksum)
                }
            }
        }
        return (hex(sha.finish()), checksum)
    }

    private static func line(_ bytes: [UInt8], _ name: String) -> String {
        "\(hex(SHA256.digest(bytes))) \(bytes.count) \(name)"
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    // MARK: Making it

    /// Makes a vault like the fixture: two points of files of all shapes, the second with the first
    /// as parent and a file of two regions; WAL whole and in part; a history; an instance's record.
    static func make(_ store: any ObjectStore, key: SecretBytes) throws -> Vault {
        let clock = ManualClock()
        let vault = try Vault.create(store: store, keySource: .keyFile(key), clock: clock)
        try SyntheticBackup.addArchive(to: vault, segmentSize: segmentSize)
        var backup = SyntheticBackup.small()
        backup.segmentSize = segmentSize
        let first = try backup.run(
            in: vault,
            workers: 2,
            attachments: ["/etc/postgresql/postgresql.conf": [0x61, 0x0a]],
            clock: clock
        )
        backup.files["base/5/16384"]?.replaceSubrange(0..<100, with: repeatElement(9, count: 100))
        backup.files["base/5/2619"]?.removeLast(9000)
        backup.files["base/5/1259_vm"] = nil
        var random = SeededRandom(seed: 12)
        var sparse = SyntheticBackup.Sparse(size: UInt64(VaultFormat.regionPages + 2) * 8192 - 77)
        for page in [0, 1, 70_000, VaultFormat.regionPages - 1, VaultFormat.regionPages] {
            sparse.pages[page] = SyntheticBackup.page8(&random)
        }
        backup.sparse["base/5/large"] = sparse
        clock.advance(seconds: 3600)
        let parent = try PointReader(vault, system, first.id)
        _ = try backup.run(in: vault, workers: 2, parent: parent, clock: clock)
        return vault
    }
}
