import Domain
import Engine
import Platform
import Postgres
import Sealing
import TestSupport
import Testing
import Vaulting

/// Changed blocks folded into the parent point, without a server: random chains against the rule
/// written down a second time, and streams that lie.
@Suite struct IncrementalPipelineTests {
    private static let system = SystemIdentifier(0x6a5b_4c3d_2e1f_0003)

    /// A file as the pages' tags: every page repeats its tag, 0 is a page of zeros.
    private typealias Pages = [UInt64]

    /// What a server sends of one file.
    private enum Sent {
        case whole(Pages)
        case changes(blocks: [UInt32: UInt64], truncation: Int)
    }

    private static var key: KeySource {
        .keyFile(SecretBytes([UInt8](repeating: 3, count: 32)))
    }

    @Test(arguments: [1, 4], [false, true])
    func `chains of changes give what the rule says`(workers: Int, evacuating: Bool) throws {
        var random = SeededRandom(stream: "fold \(workers)")
        let vault = try Vault.create(store: MemoryStore(), keySource: Self.key)
        var model: [String: Pages] = [:]
        // Around the 64 pages up to which a map is part of the catalog, and around frames of 16.
        for (number, size) in [0, 1, 15, 16, 17, 63, 64, 65, 66, 200, 300].enumerated() {
            model["base/5/\(1000 + number)"] = (0..<size).map { _ in Self.tag(&random) }
        }
        var parent = try take(
            model.mapValues { .whole($0) },
            into: vault,
            after: nil,
            workers: workers
        )
        for round in 0..<12 {
            var sent: [String: Sent] = [:]
            for (path, pages) in model {
                sent[path] = Self.change(pages, &random)
                model[path] = sent[path].map { Self.fold($0, into: pages) }
            }
            // The server sends unlisted files whole, and some are gone.
            if let gone = model.keys.sorted().randomElement(using: &random), round % 3 == 1 {
                sent[gone] = nil
                model[gone] = nil
            }
            let fresh = "base/5/\(2000 + round)"
            model[fresh] = (0..<70).map { _ in Self.tag(&random) }
            sent[fresh] = model[fresh].map { .whole($0) }
            parent = try take(
                sent,
                into: vault,
                after: parent,
                workers: workers,
                evacuating: evacuating
            )
            try compare(model, with: parent, "round \(round)")
        }
    }

    @Test func `files without changes cost nothing and keep their checksum`() throws {
        var random = SeededRandom(stream: "unchanged")
        let vault = try Vault.create(store: MemoryStore(), keySource: Self.key)
        let names = (0..<50).map { "base/5/\(1000 + $0)" }
        var model: [String: Pages] = [:]
        for name in names { model[name] = (0..<80).map { _ in Self.tag(&random) } }
        let first = try take(model.mapValues { .whole($0) }, into: vault, after: nil)
        let second = try take(
            model.mapValues { .changes(blocks: [:], truncation: $0.count) },
            into: vault,
            after: first
        )
        #expect(second.point.pagesNew == 1, "only the page of pg_control")
        for name in names {
            let (old, new) = (try first.entry(path: name), try second.entry(path: name))
            #expect(old?.kind == new?.kind)
            guard case .file(_, let checksum, _) = new?.kind else { continue }
            #expect(checksum != nil)
        }
        // One page changes; nobody has read the whole file, so nobody knows its checksum.
        let third = try take(
            [names[0]: .changes(blocks: [7: 1], truncation: 80)],
            into: vault,
            after: second
        )
        #expect(third.point.pagesNew == 2)
        guard case .file(let size, nil, _) = try third.entry(path: names[0])?.kind else {
            Issue.record("it has a checksum")
            return
        }
        #expect(size == 80 * 8192)
    }

    @Test func `pages nobody sends are read from the vault to empty a pack`() throws {
        var random = SeededRandom(stream: "moving")
        let vault = try Vault.create(store: MemoryStore(), keySource: Self.key)
        var model: [String: Pages] = [
            "base/5/1": (0..<300).map { _ in .random(in: 1...(.max), using: &random) },
            "base/5/2": (0..<20).map { _ in .random(in: 1...(.max), using: &random) },
        ]
        let first = try take(model.mapValues { .whole($0) }, into: vault, after: nil, workers: 1)
        var blocks: [UInt32: UInt64] = [:]
        for block in stride(from: UInt32(0), to: 300, by: 2) { blocks[block] = UInt64(block) + 1 }
        let change = Sent.changes(blocks: blocks, truncation: 300)
        model["base/5/1"] = Self.fold(change, into: model["base/5/1"] ?? [])
        let unchanged = Sent.changes(blocks: [:], truncation: 20)
        let second = try take(
            ["base/5/1": change, "base/5/2": unchanged],
            into: vault,
            after: first,
            workers: 1
        )
        #expect(second.point.pagesNew == 151)
        #expect(second.root.packs.contains { $0.info.id.session == first.point.id })
        let third = try take(
            ["base/5/1": .changes(blocks: [:], truncation: 300), "base/5/2": unchanged],
            into: vault,
            after: second,
            evacuating: true
        )
        try compare(model, with: third, "after moving")
        #expect(third.point.pagesNew == 171, "150 and 20 moved, and pg_control's")
        #expect(!third.root.packs.contains { $0.info.id.session == first.point.id })
        guard case .file(_, let checksum, _) = try third.entry(path: "base/5/2")?.kind else {
            return
        }
        #expect(checksum != nil, "an unchanged file keeps its checksum")
    }

    @Test func `a stream of changes that lies is no backup`() throws {
        let vault = try Vault.create(store: MemoryStore(), keySource: Self.key)
        let first = try take(["base/5/1": .whole([1, 2, 3])], into: vault, after: nil)
        let good = Sent.changes(blocks: [1: 9], truncation: 3)
        let faults: [(String, [String: Sent], (inout Listed) -> Void, ErrorCode)] = [
            ("nothing wrong", ["base/5/1": good], { _ in }, .unexpected),
            ("not in the parent", ["base/5/2": good], { _ in }, .sourceIncremental),
            (
                "other bytes than listed", ["base/5/1": good],
                { $0["base/5/INCREMENTAL.1"]?.crc ^= 1 }, .sourceBroken
            ),
            (
                "other bytes of a file without changes",
                ["base/5/1": .changes(blocks: [:], truncation: 3)],
                { $0["base/5/INCREMENTAL.1"]?.crc ^= 1 }, .sourceBroken
            ),
            (
                "listed whole, sent as changes", ["base/5/1": good],
                { $0["base/5/1"] = $0.removeValue(forKey: "base/5/INCREMENTAL.1") }, .sourceBroken
            ),
            (
                "malformed", ["base/5/1": .changes(blocks: [1: 9, 200_000: 9], truncation: 3)],
                { _ in }, .sourceIncremental
            ),
        ]
        for (name, sent, lie, code) in faults {
            let error = #expect(throws: PgkeepError.self, "\(name)") {
                _ = try take(sent, into: vault, after: first, lie)
                throw PgkeepError(.unexpected, "it was taken")
            }
            #expect(error?.code == code, "\(name): \(error.map { "\($0)" } ?? "")")
        }
        #expect(try PointStore.list(vault, Self.system).count == 2)
    }

    @Test func `in a full stream the name means nothing`() throws {
        let vault = try Vault.create(store: MemoryStore(), keySource: Self.key)
        let sent = ["base/5/INCREMENTAL.1": Sent.whole([4]), "INCREMENTAL.config": .whole([5, 6])]
        let first = try take(sent, into: vault, after: nil)
        try compare(["base/5/INCREMENTAL.1": [4], "INCREMENTAL.config": [5, 6]], with: first, "")
        let second = try take(["INCREMENTAL.config": .whole([7])], into: vault, after: first)
        try compare(["INCREMENTAL.config": [7]], with: second, "beside changes")
    }

    // MARK: The model

    private static func tag(_ random: inout SeededRandom) -> UInt64 {
        Int.random(in: 0..<5, using: &random) == 0 ? 0 : .random(in: 1...(.max), using: &random)
    }

    private static func change(_ pages: Pages, _ random: inout SeededRandom) -> Sent {
        let step = [0, 0, -9, -pages.count, 1, 40].randomElement(using: &random) ?? 0
        let length = max(0, pages.count + step)
        switch Int.random(in: 0..<6, using: &random) {
        case 0: return .whole((0..<length).map { _ in tag(&random) })
        case 1: return .changes(blocks: [:], truncation: pages.count)
        case 2: return .changes(blocks: [:], truncation: length)
        default:
            var blocks: [UInt32: UInt64] = [:]
            for _ in 0..<Int.random(in: 1...30, using: &random) {
                let block = Int.random(in: 0..<max(length, 1) + 3, using: &random)
                // Now and then the page is as it was.
                let isSame = block < pages.count && Int.random(in: 0..<4, using: &random) == 0
                blocks[UInt32(block)] = isSame ? pages[block] : tag(&random)
            }
            return .changes(blocks: blocks, truncation: length)
        }
    }

    private static func fold(_ sent: Sent, into old: Pages) -> Pages {
        switch sent {
        case .whole(let pages): return pages
        case .changes(let blocks, let truncation):
            let length = max(truncation, blocks.keys.max().map { Int($0) + 1 } ?? 0)
            return (0..<length).map { page in
                if let block = blocks[UInt32(page)] { return block }
                return page < truncation && page < old.count ? old[page] : 0
            }
        }
    }

    // MARK: The stream

    private typealias Listed = [String: (size: Int, crc: UInt32)]

    private static func bytes(_ tag: UInt64) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 8192) { buffer, count in
            UnsafeMutableRawBufferPointer(buffer).bindMemory(to: UInt64.self)
                .update(repeating: tag.littleEndian)
            count = 8192
        }
    }

    private static func encode(_ path: String, _ sent: Sent) -> (String, TarMaker.File) {
        switch sent {
        case .whole(let pages): return (path, TarMaker.File(pages.flatMap(bytes)))
        case .changes(let blocks, let truncation):
            let listed = blocks.keys.sorted()
            let numbers = [0xd3ae_1f0d, UInt32(listed.count), UInt32(truncation)] + listed
            var content = numbers.flatMap { number in
                (0..<4).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
            }
            if !listed.isEmpty {
                content += [UInt8](repeating: 0, count: (8192 - content.count % 8192) % 8192)
            }
            for block in listed { content += bytes(blocks[block] ?? 0) }
            let name = path.split(separator: "/").last ?? ""
            return (path.dropLast(name.count) + "INCREMENTAL." + name, TarMaker.File(content))
        }
    }

    /// Takes a stream in as the next point.
    private func take(
        _ sent: [String: Sent],
        into vault: Vault,
        after parent: PointReader?,
        workers: Int = 2,
        evacuating: Bool = false,
        _ lie: (inout Listed) -> Void = { _ in }
    ) throws -> PointReader {
        let session = try BackupSession.begin(vault, Self.system, parent: parent)
        do {
            var pipeline = BackupPipeline(
                session: session,
                parents: parent.map { Self.maps(of: $0, evacuating: evacuating) },
                options: BackupOptions(workers: workers),
                meter: ProgressMeter(),
                token: CancellationToken()
            )
            pipeline.isIncremental = parent != nil
            let outcome = try pipeline.run(began: { _ in }) { try send(sent, to: $0, lie) }
            _ = try session.commit(
                Self.point(session.id),
                catalog: outcome.catalog,
                attachments: outcome.attachments
            )
        } catch {
            session.abandon()
            throw error
        }
        return try PointReader(vault, Self.system, session.id)
    }

    /// Evacuating, every pack of which less than 80 % is in use is emptied.
    private static func maps(of parent: PointReader, evacuating: Bool) -> ParentMaps {
        var policy = Evacuation.Policy()
        policy.threshold = evacuating ? 0.8 : 0
        policy.shareOfAll = 1
        let later = Timestamp(seconds: 4_000_000_000)
        return ParentMaps(
            parent,
            evacuation: Evacuation(of: parent.root, policy: policy, now: later)
        )
    }

    private func send(
        _ sent: [String: Sent],
        to receiver: any BaseBackupHandler,
        _ lie: (inout Listed) -> Void
    ) throws -> BaseBackupEnd {
        try receiver.begin(
            BaseBackupStart(lsn: LSN(0x28), timeline: 1, tablespaces: [], estimatedBytes: nil)
        )
        try receiver.archive(nil)
        let tar = TarMaker(receiver)
        for directory in ["base", "base/5", "global"] { try tar.sendDirectory(directory) }
        var listed: Listed = [:]
        var files = sent.map { Self.encode($0, $1) }
        files.append(("global/pg_control", TarMaker.File(Self.bytes(.random(in: 1...(.max))))))
        for (path, file) in files {
            try tar.send(file, as: Array(path.utf8))
            listed[path] = (file.size, file.checksum)
        }
        try tar.finish()
        lie(&listed)
        var writer = BackupManifestWriter(
            majorVersion: 18,
            systemIdentifier: Self.system,
            digest: .sha256(),
            write: { try receiver.manifest($0) }
        )
        for (path, file) in listed {
            try writer.add(
                ManifestFile(
                    path: Array(path.utf8),
                    size: UInt64(file.size),
                    modified: nil,
                    crc32c: file.crc
                )
            )
        }
        try writer.finish([])
        return BaseBackupEnd(
            lsn: LSN(0x100),
            timeline: 1,
            notices: [],
            hasChecksumFailures: false
        )
    }

    private static func point(_ id: PointID) throws -> RecoveryPoint {
        let time = Timestamp(seconds: 1_767_225_600)
        return RecoveryPoint(
            id: id,
            instance: try InstanceName(checking: "main"),
            systemIdentifier: system,
            startedAt: time,
            finishedAt: time,
            consistentAt: time,
            startLSN: LSN(0x28),
            stopLSN: LSN(0x100),
            timeline: 1,
            serverVersion: ServerVersion(number: 180_000)
        )
    }

    // MARK: The comparison

    private func compare(
        _ model: [String: Pages],
        with reader: PointReader,
        _ when: String
    ) throws {
        var found: [String: Pages] = [:]
        let catalog = reader.catalog()
        let fetcher = reader.makeFetcher()
        while let entry = try catalog.next() {
            guard case .file(let size, let checksum, _) = entry.kind,
                entry.pathText != "global/pg_control"
            else { continue }
            var pages = Pages(repeating: 0, count: FileContent.pages(ofSize: size))
            if let map = try reader.map(of: entry, region: 0, fingerprints: true) {
                let runs = try reader.runs(of: map, tag: 0)
                try fetcher.fetch(runs) { first, bytes in
                    for page in 0..<bytes.count / 8192 {
                        pages[Int(first) + page] = bytes.loadUnaligned(
                            fromByteOffset: page * 8192,
                            as: UInt64.self
                        )
                    }
                }
                // Pages must be recognised again by the next stream.
                for (page, tag) in pages.enumerated() {
                    #expect((map.fingerprints[page] == 0) == (tag == 0), "\(entry.pathText)")
                }
            }
            if let checksum {
                let content = pages.flatMap(Self.bytes)
                #expect(content.withUnsafeBytes { CRC32C.of($0) } == checksum)
            }
            found[entry.pathText] = pages
        }
        #expect(found.keys.sorted() == model.keys.sorted(), "\(when)")
        for (path, pages) in model { #expect(found[path] == pages, "\(path) \(when)") }
    }
}
