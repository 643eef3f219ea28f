import Domain
import Platform
import Storage
import TestSupport
import Testing
import Vaulting

@Suite struct RoundtripTests {
    private typealias Backup = SyntheticBackup

    @Test func `what goes in comes out, with one worker and with three`() throws {
        for workers in [1, 3] {
            let vault = try Backup.makeVault()
            let backup = Backup.small()
            let point = try backup.run(in: vault, workers: workers)
            let read = try Backup.read(vault, point.id)
            #expect(read.files == backup.files)
            #expect(read.directories == backup.directories.sorted())
            #expect(read.links == backup.links)
            #expect(point.files == UInt64(backup.files.count))
            #expect(point.logicalBytes == UInt64(backup.files.values.reduce(0) { $0 + $1.count }))
            #expect(point.pagesTotal == 3 + 12 + 68 + 1 + 1 + 2)
            #expect(point.pagesNew == point.pagesTotal)
        }
    }

    @Test func `a file store keeps a point across opening it again`() throws {
        try ScratchDirectory.with { directory in
            let store = try FileStore.create(at: directory.unusedPath("vault"))
            let point = try Backup.small().run(in: Backup.makeVault(store), workers: 2)
            let vault = try Vault.open(
                store: FileStore(store.location),
                keySource: Backup.keySource()
            )
            #expect(try Backup.read(vault, point.id).files == Backup.small().files)
            let listed = try PointStore.list(vault, Backup.system)
            #expect(listed.map(\.id) == [point.id])
            #expect(try listed.first?.point.get() == point)
        }
    }

    @Test func `attachments come back whole`() throws {
        let vault = try Backup.makeVault()
        var random = SeededRandom(seed: 3)
        let large = random.bytes(1_300_000)
        let point = try Backup.small().run(
            in: vault,
            attachments: ["/etc/postgresql.conf": [1, 2, 3], "large": large, "none": []]
        )
        let reader = try PointReader(vault, Backup.system, point.id)
        let bytes = try reader.root.attachments.map { try reader.bytes(of: $0) }
        #expect(bytes == [[1, 2, 3], large, []])
        #expect(reader.root.attachments.map(\.name) == ["/etc/postgresql.conf", "large", "none"])
    }

    @Test func `a child point stores only what changed and lives without its parent`() throws {
        let store = MemoryStore()
        let vault = try Backup.makeVault(store)
        var backup = Backup.small()
        let first = try backup.run(in: vault)
        var random = SeededRandom(seed: 9)
        backup.files["base/5/16384"]?.replaceSubrange(
            8192 * 10..<8192 * 11,
            with: Backup.page8(&random)
        )
        backup.files["base/5/1259"]?.removeLast(8192)
        backup.files["base/5/2619"] = nil
        let parent = try PointReader(vault, Backup.system, first.id)
        let second = try backup.run(in: vault, workers: 2, parent: parent)
        #expect(second.pagesNew == 1)
        #expect(second.parent == first.id)
        #expect(try Backup.read(vault, second.id).files == backup.files)
        store.lose(VaultNames.root(Backup.system, first.id))
        #expect(try Backup.read(vault, second.id).files == backup.files)
    }

    @Test func `random files come back, whatever the number of workers`() throws {
        var random = SeededRandom(stream: "roundtrip")
        for _ in 0..<12 {
            let vault = try Backup.makeVault()
            var backup = SyntheticBackup()
            for number in 0..<Int.random(in: 0...12, using: &random) {
                let pages = Int.random(in: 0...90, using: &random)
                var bytes: [UInt8] = []
                for _ in 0..<pages {
                    bytes +=
                        Bool.random(using: &random)
                        ? [UInt8](repeating: 0, count: 8192) : Backup.page8(&random)
                }
                bytes.removeLast(
                    min(bytes.count, Int.random(in: 0...8191, using: &random))
                )
                backup.files["file/\(number)"] = bytes
            }
            let workers = Int.random(in: 1...4, using: &random)
            let point = try backup.run(in: vault, workers: workers)
            #expect(try Backup.read(vault, point.id).files == backup.files)
        }
    }

    @Test func `a file of several regions comes back`() throws {
        let vault = try Backup.makeVault()
        var backup = SyntheticBackup()
        // One GiB and a bit, zeros but for a few pages at the edges: a sparse file of two regions.
        var random = SeededRandom(seed: 5)
        let session = try BackupSession.begin(vault, Backup.system)
        let sizes = [VaultFormat.regionPages, 3]
        let writer = session.makePackWriter()
        var stored: [Int: [UInt8]] = [:]
        let builders = try sizes.enumerated().map { region, pages in
            let builder = session.makeRegionBuilder(pages: pages)
            for page in 0..<pages {
                guard page < 2 || page == pages - 1 else {
                    builder.setZero(page)
                    continue
                }
                let bytes = Backup.page8(&random)
                stored[region * VaultFormat.regionPages + page] = bytes
                let location = try bytes.withUnsafeBytes { try writer.append(page: $0) }
                builder.set(page, fingerprint: 1, location: location)
            }
            return builder
        }
        let catalog = CatalogWriter()
        try catalog.add(
            CatalogEntry(
                path: [0xff, 0xfe],
                mode: 0o600,
                modifiedSeconds: 0,
                kind: .file(
                    size: UInt64(VaultFormat.regionPages + 3) * 8192 - 10,
                    crc32c: nil,
                    content: try FileContent.of(builders, with: writer)
                )
            )
        )
        try writer.finish()
        let point = try session.commit(Backup.point(session.id), catalog: catalog)
        let reader = try PointReader(vault, Backup.system, point.id)
        let entry = try #require(try reader.entry(path: [0xff, 0xfe]))
        var found: [Int: [UInt8]] = [:]
        for region in 0..<2 {
            let map = try #require(
                try reader.map(of: entry, region: region, fingerprints: true)
            )
            let runs = try reader.runs(of: map, tag: UInt64(region * VaultFormat.regionPages))
            try reader.makeFetcher().fetch(runs) { tag, pages in
                for (index, start) in stride(from: 0, to: pages.count, by: 8192).enumerated() {
                    found[Int(tag) + index] = Array(pages[start..<start + 8192])
                }
            }
        }
        #expect(found == stored)
        backup.files = [:]
        #expect(try reader.map(of: entry, region: 2, fingerprints: true) == nil)
    }
}
