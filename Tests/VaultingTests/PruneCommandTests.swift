import Domain
import Glibc
import Platform
import Sealing
import Storage
import TestSupport
import Testing
import Vaulting

/// The program prunes a vault in a directory: killed at random moments, several at once, on a full
/// disk.
@Suite(.serialized) struct PruneCommandTests {
    private let system = SyntheticBackup.system

    /// A vault in a directory with deleted points, old WAL and what killed backups left.
    private struct Image {
        var path: String
        var key: String
        var files: [PointID: [String: [UInt8]]] = [:]
        var visible: [PointID] = []

        init(at path: String, in scratch: ScratchDirectory) throws {
            self.path = path
            key = scratch.file("key")
            let source = KeySource.keyFile(try KeyFile.create(key))
            let vault = try Vault.create(store: FileStore.create(at: path), keySource: source)
            var random = SeededRandom(stream: "prune image")
            for number in 0..<8 {
                var backup = SyntheticBackup.small(seed: UInt64(number))
                for name in ["a", "b", "c"] {
                    backup.files[name] = SyntheticBackup.page8(&random)
                }
                backup.segmentSize = 1 << 20
                let parent = try PointStore.list(vault, SyntheticBackup.system).last
                let point = try backup.run(
                    in: vault,
                    parent: parent.map { try PointReader(vault, SyntheticBackup.system, $0.id) }
                )
                files[point.id] = backup.files
                visible.append(point.id)
            }
            try SyntheticBackup.addArchive(to: vault, segmentSize: 1 << 20)
            for _ in 0..<2 {
                let session = try BackupSession.begin(vault, SyntheticBackup.system)
                _ = try SyntheticBackup.small(seed: 99).store(session, workers: 1)
                session.lease.abandon()
                try Image.killHolder(of: session, vault)
            }
            for number in [0, 2, 3, 5] {
                try GoneMarker.put(vault, SyntheticBackup.system, visible[number], reason: "test")
            }
            for number in [5, 3, 2, 0] { visible.remove(at: number) }
        }

        /// Makes the lease one of a process that has ended.
        private static func killHolder(of session: BackupSession, _ vault: Vault) throws {
            let command = try CommandRunner().start("/bin/true")
            command.wait()
            var record = session.lease.record
            record.holder.process = command.pid
            record.holder.ticks = 1
            let name = VaultNames.lease(SyntheticBackup.system, session.id)
            let bytes = try Sealed.encode(
                vault,
                name,
                kind: .lease,
                system: SyntheticBackup.system,
                frames: [(.info, Array(try leaseJSON(record).utf8))]
            )
            try vault.store.put(name, bytes)
        }
    }

    private func open(_ path: String, _ image: Image) throws -> Vault {
        try Vault.open(store: FileStore(path), keySource: .keyFile(KeyFile.read(image.key)))
    }

    /// A copy that shares all files, which are never written again.
    private func copy(_ image: Image, in scratch: ScratchDirectory) throws -> String {
        let path = scratch.unusedPath("copy")
        try CommandRunner().check("/bin/cp", ["-al", image.path, path])
        return path
    }

    private func prune(_ path: String, _ image: Image) throws -> RunningCommand {
        try CommandRunner().startPgkeep([
            "vault", "prune", "--vault", path, "--key-file", image.key,
        ])
    }

    /// All visible points read as they were written; after a whole run nothing else is left.
    private func expectWhole(_ path: String, _ image: Image, isPruned: Bool) throws {
        let vault = try open(path, image)
        let points = try PointStore.list(vault, system).map(\.id)
        #expect(points == image.visible)
        var needed: Set<ObjectName> = []
        for id in points {
            #expect(try SyntheticBackup.read(vault, id).files == image.files[id])
            for pack in try PointReader(vault, system, id).root.packs {
                needed.insert(VaultNames.pack(system, pack.info.id))
            }
        }
        guard isPruned else { return }
        let packs = try vault.store.list(prefix: VaultNames.packPrefix(system)).map(\.name)
        #expect(Set(packs) == needed)
        #expect(try vault.store.list(prefix: VaultNames.leasePrefix(system)).isEmpty)
        let roots = try vault.store.list(prefix: VaultNames.rootPrefix(system)).count
        #expect(roots == points.count + 2, "two tombstones stay")
        #expect(try vault.store.list(prefix: WALObjectName.prefix(system)).count == 1)
        let check = try VaultCheck(vault, level: .decode).run()
        #expect(check.damage.isEmpty, "\(check.damage)")
    }

    @Test func `killed at random moments every visible point restores`() throws {
        try ScratchDirectory.with { scratch in
            let image = try Image(at: scratch.file("vault"), in: scratch)
            let first = try copy(image, in: scratch)
            let begun = SystemClock().monotonicSeconds
            let whole = try prune(first, image).wait()
            var seconds = SystemClock().monotonicSeconds - begun
            #expect(whole.succeeded && whole.errors.contains("freed"), "\(whole.errors)")
            try expectWhole(first, image, isPruned: true)
            var random = SeededRandom(stream: "prune kills")
            var killed = 0
            for _ in 0..<30 {
                let path = try copy(image, in: scratch)
                for _ in 0..<2 {
                    let command = try prune(path, image)
                    letPass(seconds: Double.random(in: 0..<seconds * 1.05, using: &random))
                    // The machine's mood changes: what came too late comes sooner next time.
                    let wasKilled = command.kill().signal == SIGKILL
                    killed += wasKilled ? 1 : 0
                    seconds *= wasKilled ? 1.1 : 0.8
                    try expectWhole(path, image, isPruned: false)
                }
                #expect(try prune(path, image).wait().succeeded)
                try expectWhole(path, image, isPruned: true)
                let idle = try prune(path, image).wait()
                #expect(idle.succeeded && idle.errors.isEmpty && idle.output.isEmpty)
                try FileSystem.removeTree(path)
            }
            #expect(killed > 10)
        }
    }

    @Test func `several at once do the work once`() throws {
        try ScratchDirectory.with { scratch in
            let image = try Image(at: scratch.file("vault"), in: scratch)
            for _ in 0..<5 {
                let path = try copy(image, in: scratch)
                let commands = try (0..<3).map { _ in try prune(path, image) }
                for command in commands {
                    let result = command.wait()
                    #expect(result.succeeded, "\(result.errors)")
                }
                #expect(try prune(path, image).wait().succeeded)
                try expectWhole(path, image, isPruned: true)
                try FileSystem.removeTree(path)
            }
        }
    }

    @Test(.enabled(if: SmallDisk.canMount, "cannot mount a tmpfs here"))
    func `a full disk is no obstacle`() throws {
        try ScratchDirectory.with { scratch in
            let disk = try SmallDisk.make("disk", mebibytes: 40, in: scratch)
            let image = try Image(at: disk + "/vault", in: scratch)
            try SmallDisk.fill(disk + "/filler")
            let oldest = try #require(image.visible.first)
            let runner = CommandRunner(environment: [
                "PGKEEP_VAULT": image.path, "PGKEEP_KEY_FILE": image.key,
            ])
            let deleted = try runner.pgkeep(["backup", "delete", "main", "\(oldest)"])
            #expect(deleted.succeeded, "\(deleted.errors)")
            try SmallDisk.fill(disk + "/filler-2")
            let pruned = try runner.pgkeep(["vault", "prune"])
            #expect(pruned.succeeded && pruned.errors.contains("freed"), "\(pruned.errors)")
            var left = image
            left.visible.removeFirst()
            try expectWhole(image.path, left, isPruned: true)
            #expect(try FileSystem.space(disk).free > 0)
        }
    }
}
