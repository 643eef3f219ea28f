import Domain
import TestSupport
import Testing
import Vaulting

@Suite struct CatalogTests {
    private typealias Backup = SyntheticBackup
    private let system = SyntheticBackup.system

    private func commit(_ vault: Vault, _ entries: [CatalogEntry]) throws -> PointReader {
        let session = try BackupSession.begin(vault, system)
        do {
            let catalog = CatalogWriter()
            for entry in entries { try catalog.add(entry) }
            let point = try session.commit(Backup.point(session.id), catalog: catalog)
            return try PointReader(vault, system, point.id)
        } catch {
            session.abandon()
            throw error
        }
    }

    private func entry(_ path: [UInt8]) -> CatalogEntry {
        CatalogEntry(
            path: path,
            mode: 0o640,
            modifiedSeconds: 5,
            kind: .file(size: 0, crc32c: nil, content: .empty)
        )
    }

    @Test func `many entries in any order come back sorted and are found by path`() throws {
        var random = SeededRandom(stream: "catalog")
        var paths: Set<[UInt8]> = []
        while paths.count < 20_000 {
            let name = "base/\(random.next() % 50)/\(random.next() % 1_000_000)_fsm"
            paths.insert(Array(name.utf8))
        }
        paths.insert([0xff, 0x80, 0x01])
        let reader = try commit(Backup.makeVault(), paths.shuffled(using: &random).map(entry))
        let sorted = paths.sorted { $0.lexicographicallyPrecedes($1) }
        let cursor = reader.catalog()
        var read: [[UInt8]] = []
        while let next = try cursor.next() { read.append(next.path) }
        #expect(read == sorted)
        #expect(reader.root.entries == UInt64(sorted.count))
        for path in [sorted[0], sorted[7777], sorted[sorted.count - 1], [0xff, 0x80, 0x01]] {
            #expect(try reader.entry(path: path)?.path == path)
        }
        #expect(try reader.entry(path: [0x01]) == nil)
        #expect(try reader.entry(path: "base/5") == nil)
        #expect(try reader.entry(path: [0xff, 0xff]) == nil)
    }

    @Test func `an empty catalog is one, too`() throws {
        let reader = try commit(Backup.makeVault(), [])
        #expect(try reader.catalog().next() == nil)
        #expect(try reader.entry(path: "a") == nil)
        #expect(reader.point.files == 0)
    }

    @Test func `a path that came twice ends the backup`() throws {
        let vault = try Backup.makeVault()
        for others in [0, 3] {
            let more = (0..<others).map { entry([UInt8(ascii: "a") + UInt8($0)]) }
            let error = #expect(throws: PgkeepError.self) {
                try commit(vault, more + [entry([0x70]), entry([0x70])])
            }
            #expect(error?.message.contains("p came twice") == true)
        }
        #expect(try PointStore.list(vault, system).isEmpty)
    }

    @Test func `paths no vault can hold are refused`() throws {
        let catalog = CatalogWriter()
        for path in [[], [0x61, 0, 0x62], [UInt8](repeating: 0x61, count: 4097)] {
            #expect(throws: PgkeepError.self) { try catalog.add(entry(path)) }
        }
        try catalog.add(entry([UInt8](repeating: 0x61, count: 4096)))
        let link = CatalogEntry(
            path: [0x61],
            mode: 0o777,
            modifiedSeconds: 0,
            kind: .link(target: [])
        )
        #expect(throws: PgkeepError.self) { try catalog.add(link) }
    }

    @Test func `regions with base and delta keep their references and their needs`() throws {
        let vault = try Backup.makeVault()
        let session = try BackupSession.begin(vault, system)
        let writer = session.makePackWriter()
        var random = SeededRandom(seed: 6)
        func stored(_ count: Int) throws -> [PageLocation] {
            try (0..<count).map { _ in
                try Backup.page8(&random).withUnsafeBytes { try writer.append(page: $0) }
            }
        }
        let base = session.makeRegionBuilder(pages: 100)
        for (page, location) in try stored(100).enumerated() {
            base.set(page, fingerprint: UInt64(page) + 1, location: location)
        }
        let baseMap = base.finish()
        let first = try writer.append(map: baseMap)
        let next = session.makeRegionBuilder(pages: 101, parent: baseMap)
        for page in 0..<99 { next.keep(page) }
        next.setZero(99)
        next.set(100, fingerprint: 77, location: try stored(1)[0])
        let newMap = next.finish()
        let region = try writer.append(delta: newMap, from: baseMap, at: first.base)
        try writer.finish()
        #expect(region.usage.map(\.pages) == [100])
        let catalog = CatalogWriter()
        try catalog.add(
            CatalogEntry(
                path: [0x61],
                mode: 0o600,
                modifiedSeconds: 0,
                kind: .file(size: 101 * 8192, crc32c: 9, content: .regions([region]))
            )
        )
        let point = try session.commit(Backup.point(session.id), catalog: catalog)
        #expect(point.pagesTotal == 100)
        #expect(point.pagesNew == 101)
        let reader = try PointReader(vault, system, point.id)
        let entry = try #require(try reader.entry(path: "a"))
        let map = try #require(try reader.map(of: entry, region: 0, fingerprints: true))
        #expect(map.fingerprints == newMap.fingerprints)
        #expect(try reader.runs(of: map, tag: 0) == reader.runs(of: newMap, tag: 0))
    }
}
