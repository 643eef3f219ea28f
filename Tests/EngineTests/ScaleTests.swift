import Domain
import Platform
import Sealing
import Storage
import TestSupport
import Testing
import Vaulting

/// Catalogs and pack tables of very large databases, made up without data: what only reads metadata
/// stays small whatever it describes.
///
/// `PGKEEP_TEST_SCALE` is the size in TiB, 1 unless it is set.
struct ScaleTests {
    private static let memoryLimit: UInt64 = 256 << 20
    private static let tebibytes = environmentValue("PGKEEP_TEST_SCALE").flatMap { Int($0) } ?? 1

    fileprivate static let python = "/usr/bin/python3"

    @Test(.enabled(if: (try? FileSystem.info(python)) != nil, "measuring takes python3"))
    func `commands on points of terabytes stay below 256 MiB`() throws {
        try ScratchDirectory.with { scratch in
            let shape = MadeUpInstance.Shape(
                packs: 5_200 * Self.tebibytes,
                regions: 1_024 * Self.tebibytes,
                files: 20_000 * Self.tebibytes
            )
            let instance = try MadeUpInstance(in: scratch)
            let first = try instance.addPoint(shape, parent: nil)
            var child = shape
            child.packs = 100
            let second = try instance.addPoint(child, parent: first)
            _ = try instance.addPoint(child, parent: second)
            // There is no WAL: no point can be reached, and the check says so.
            for (command, code) in [
                (["backup", "list", "large"], 0), (["backup", "show", "\(second)"], 0),
                (["vault", "usage"], 0), (["vault", "check", "--level", "list"], 6),
                (["window", "show", "large"], 0),
                (["restore", "plan", "large", "--point", "\(first)"], 5),
                (["vault", "prune", "--dry-run"], 0),
                (["backup", "delete", "large", "\(second)"], 0), (["vault", "prune"], 0),
            ] {
                let result = try instance.pgkeep(command)
                #expect(result.exitCode == code, "\(command): \(result.errors)")
                let peak = try #require(result.peak)
                #expect(peak <= Self.memoryLimit, "\(command) took \(peak >> 20) MiB")
                print("\(command.joined(separator: " ")): \(peak >> 20) MiB")
            }
        }
    }
}

/// An instance whose points describe what was never there: packs of one page, maps of other packs.
private struct MadeUpInstance {
    struct Shape {
        /// Packs a point adds.
        var packs: Int
        /// Files of 1 GiB.
        var regions: Int
        /// Files of 3 pages.
        var files: Int
    }

    private let scratch: ScratchDirectory
    private let vault: Vault
    private let system = SystemIdentifier(7_000_000_000_000_000_007)
    private let name: InstanceName

    init(in scratch: ScratchDirectory) throws {
        self.scratch = scratch
        name = try #require(InstanceName("large"))
        let key = try KeyFile.create(scratch.file("vault.key"))
        vault = try Vault.create(
            store: FileStore.create(at: scratch.file("vault")),
            keySource: .keyFile(key)
        )
        _ = try vault.instances().create(
            name.description,
            try InstanceRecord(
                name: name,
                systemIdentifier: system,
                source: "host=/nonexistent",
                slot: nil,
                serverVersion: ServerVersion(number: 180_000),
                segmentSize: .standard,
                createdAt: Timestamp(seconds: 1_700_000_000)
            )
        )
    }

    /// Runs pgkeep from a small process and gives the most memory it had: the kernel counts in what
    /// the process had that it was started from.
    func pgkeep(_ arguments: [String]) throws -> (exitCode: Int32, errors: String, peak: UInt64?) {
        let script = """
            import resource, subprocess, sys
            code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
            print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
            sys.exit(code)
            """
        let result = try CommandRunner(environment: [
            "PGKEEP_VAULT": scratch.file("vault"), "PGKEEP_KEY_FILE": scratch.file("vault.key"),
        ]).run(ScaleTests.python, ["-c", script, CommandRunner.pgkeepBinary.get()] + arguments)
        return (result.exitCode, result.errors, UInt64(result.trimmedOutput))
    }

    /// Commits a point that needs its own packs and, in each region, some of its parent's.
    func addPoint(_ shape: Shape, parent: PointID?) throws -> PointID {
        let reader = try parent.map { try PointReader(vault, system, $0) }
        let session = try BackupSession.begin(vault, system, parent: reader)
        let writer = session.makePackWriter()
        let page = [UInt8](repeating: 7, count: VaultFormat.pageBytes)
        var packs = reader?.root.packs.map(\.info.id) ?? []
        for _ in 0..<shape.packs {
            let place = try page.withUnsafeBytes { try writer.append(page: $0) }
            packs.append(PackID(session: session.id, number: place.pack))
            try writer.finish()
        }
        let catalog = CatalogWriter()
        for number in 0..<shape.regions {
            try catalog.add(region(number, packs))
        }
        for number in 0..<shape.files {
            try catalog.add(file(number, packs[number % packs.count]))
        }
        let time = Timestamp(seconds: 1_700_000_000)
        let point = RecoveryPoint(
            id: session.id,
            instance: name,
            systemIdentifier: system,
            startedAt: time,
            finishedAt: time,
            consistentAt: time,
            startLSN: LSN(0x200_0028),
            stopLSN: LSN(0x200_0100),
            timeline: 1,
            serverVersion: ServerVersion(number: 180_000)
        )
        return try session.commit(point, catalog: catalog).id
    }

    /// A GiB whose pages lie in as many packs as it fills, or several days have filled.
    private func region(_ number: Int, _ packs: [PackID]) -> CatalogEntry {
        let own = (0..<min(16, packs.count)).map { packs[(number * 7 + $0 * 331) % packs.count] }
        let pages = UInt32(VaultFormat.regionPages / own.count)
        let usage = Set(own).sorted().map { PackUsage(pack: $0, pages: pages, metaBytes: 0) }
        let base = MapRef(
            pack: own[0],
            frame: 0,
            offset: 64,
            locationBytes: 1000,
            fingerprintBytes: 1000
        )
        return CatalogEntry(
            path: Array("base/16384/\(16_385 + number / 32).\(number % 32)".utf8),
            mode: 0o600,
            modifiedSeconds: 0,
            kind: .file(
                size: 1 << 30,
                crc32c: nil,
                content: .regions([RegionRef(base: base, delta: nil, usage: usage)])
            )
        )
    }

    private func file(_ number: Int, _ pack: PackID) -> CatalogEntry {
        let map = RegionMap(
            packs: [pack],
            locations: (0..<3).map { MapLocation(pack: 0, page: UInt32($0)) },
            fingerprints: (0..<3).map { UInt64(number * 3 + $0) }
        )
        return CatalogEntry(
            path: Array("base/5/\(100_000 + number)".utf8),
            mode: 0o600,
            modifiedSeconds: 0,
            kind: .file(size: 3 * 8192, crc32c: 1, content: .inline(map))
        )
    }
}
