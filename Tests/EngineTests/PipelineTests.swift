import Domain
import Engine
import Platform
import Storage
import TestSupport
import Testing
import Vaulting

/// The way of the data without a server: a tar stream in, files out, byte for byte, with any number
/// of threads on both ways.
@Suite struct PipelineTests {
    private static let system = SyntheticInstance.system

    /// Sizes where something changes: pages, frames of 16, inline maps of 64, buffers of 1 MiB.
    private static let sizes = [
        0, 1, 511, 512, 8191, 8192, 8193, 16 * 8192, 17 * 8192 + 5, 63 * 8192, 64 * 8192 - 1,
        64 * 8192, 64 * 8192 + 1, 65 * 8192, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 20,
    ]

    @Test(arguments: [(1, 1), (3, 2), (8, 5)])
    func `files of every size come out as they went in`(backup: Int, restore: Int) throws {
        var random = SeededRandom(stream: "pipeline \(backup)")
        var files: [[UInt8]: TarMaker.File] = [:]
        for size in Self.sizes {
            files[Array("base/5/\(size)".utf8)] = TarMaker.File(random.bytes(size))
            // The same with whole pages of zeros, which are not stored.
            var sparse = TarMaker.File(random.bytes(size))
            for page in sparse.pages.keys where page % 3 == 1 { sparse.pages[page] = nil }
            files[Array("base/5/sparse-\(size)".utf8)] = sparse
        }
        for number in 0..<200 {
            files[Array("base/5/small-\(number)".utf8)] = TarMaker.File(random.bytes(number * 7))
        }
        files[Array("na".utf8) + [0xff] + Array("me".utf8)] = TarMaker.File([1, 2, 3])
        try roundtrip(files, backup: backup, restore: restore)
    }

    @Test func `a file of more than 1 GiB comes out as it went in`() throws {
        var random = SeededRandom(stream: "large file")
        let regionPages = 131_072
        var file = TarMaker.File(size: (regionPages * 2 + 3) * 8192 + 5, pages: [:])
        for page in [
            0, 1, 63, 64, 70_000, regionPages - 1, regionPages, regionPages + 1,
            regionPages * 2 - 1, regionPages * 2, regionPages * 2 + 2, regionPages * 2 + 3,
        ] {
            file.pages[page] = random.bytes(8192)
        }
        try roundtrip([Array("base/5/large".utf8): file], backup: 4, restore: 3)
    }

    @Test func `a stream that does not hold what its manifest says is no backup`() throws {
        for fault in 0..<4 {
            let vault = try makeVault()
            let session = try BackupSession.begin(vault, Self.system)
            let files = [
                Array("global/pg_control".utf8): TarMaker.File([7]),
                Array("base/1".utf8): TarMaker.File([UInt8](repeating: 1, count: 9000)),
            ]
            #expect(throws: PgkeepError.self, "fault \(fault)") {
                try SyntheticStream.take(files, into: session, workers: 2) { listed in
                    switch fault {
                    case 0: listed[Array("base/1".utf8)]?.crc ^= 1
                    case 1: listed[Array("base/1".utf8)]?.size += 1
                    case 2: listed[Array("base/1".utf8)] = nil
                    default: listed[Array("base/2".utf8)] = (1, 0)
                    }
                }
            }
            session.abandon()
            #expect(try PointStore.list(vault, Self.system).isEmpty)
        }
    }

    @Test func `a full vault ends the backup on all threads`() throws {
        let store = MemoryStore()
        let vault = try Vault.create(store: store, keySource: SyntheticInstance.key)
        let session = try BackupSession.begin(vault, Self.system)
        store.setFaults { $0.operation == .append ? .full : nil }
        var random = SeededRandom(stream: "full")
        let files = [Array("base/1".utf8): TarMaker.File(random.bytes(8 << 20))]
        #expect(throws: PgkeepError.self) {
            try SyntheticStream.take(files, into: session, workers: 3)
        }
        store.setFaults(nil)
        session.abandon()
    }

    // MARK: There and back

    private func makeVault() throws -> Vault {
        try Vault.create(store: MemoryStore(), keySource: SyntheticInstance.key)
    }

    private func roundtrip(
        _ content: [[UInt8]: TarMaker.File],
        backup: Int,
        restore: Int
    ) throws {
        let vault = try makeVault()
        var files = content
        files[Array("global/pg_control".utf8)] = TarMaker.File([UInt8](repeating: 9, count: 8192))
        let session = try BackupSession.begin(vault, Self.system)
        let outcome = try SyntheticStream.take(files, into: session, workers: backup)
        let point = try session.commit(
            SyntheticStream.point(session.id),
            catalog: outcome.catalog,
            attachments: outcome.attachments
        )
        #expect(point.files == UInt64(files.count))
        #expect(point.logicalBytes == files.values.reduce(0) { $0 + UInt64($1.size) })
        #expect(outcome.kept["global/pg_control"]?.count == 8192)
        try ScratchDirectory.with { scratch in
            let directory = scratch.file("copy")
            try place(vault, point.id, in: directory, workers: restore)
            for (path, file) in files { try compare(path, file, in: directory) }
        }
    }

    private func place(
        _ vault: Vault,
        _ id: PointID,
        in directory: String,
        workers: Int
    ) throws {
        let reader = try PointReader(vault, Self.system, id)
        let options = RestoreOptions(
            directory: directory,
            spec: RecoveryTargetSpec(.latest),
            program: "/bin/true",
            vaultLocation: "/nonexistent"
        )
        let layout = try RestoreLayout(reader.point, options)
        try layout.create(mode: 0o700, owner: nil)
        let manifest = try RestoredManifest(reader.point, in: directory, owner: nil)
        let edits = RestoreEdits()
        let warnings = try RestorePlacement(
            reader: reader,
            layout: layout,
            manifest: manifest,
            edits: edits,
            owner: nil,
            workers: workers,
            meter: ProgressMeter(),
            token: CancellationToken()
        ).run()
        #expect(warnings.isEmpty)
        #expect(try FileSystem.info(directory + "/global/pg_control") == nil)
        try manifest.finish(reader.point)
        try edits.release(owner: nil)
    }

    private func compare(_ path: [UInt8], _ file: TarMaker.File, in directory: String) throws {
        let name = String(decoding: path, as: UTF8.self)
        let restored = try File(RawPath(directory).appending(path), .read)
        #expect(try restored.size() == UInt64(file.size), "\(name)")
        var block = [UInt8](repeating: 1, count: 1 << 20)
        var crc: UInt32 = 0
        var position: UInt64 = 0
        while position < UInt64(file.size) {
            let count = try block.withUnsafeMutableBytes {
                try restored.read(into: $0, at: position)
            }
            try #require(count > 0)
            crc = block.withUnsafeBytes {
                CRC32C.of(UnsafeRawBufferPointer(rebasing: $0[..<count]), from: crc)
            }
            position += UInt64(count)
        }
        #expect(crc == file.checksum, "\(name)")
        for (number, content) in file.pages {
            let length = min(content.count, file.size - number * 8192)
            var page = [UInt8](repeating: 1, count: length)
            let count = try page.withUnsafeMutableBytes {
                try restored.read(into: $0, at: UInt64(number * 8192))
            }
            #expect(
                count == length && page == Array(content.prefix(length)),
                "\(number) of \(name)"
            )
        }
    }
}
