import Domain
import Platform
import TestSupport
import Testing

/// A vault with an object of every kind, and each kind damaged in every way: `vault check` tells,
/// and no restore that says it succeeded holds anything but the right bytes.
///
/// Which bytes of an object are covered is settled below, where every byte of small objects is
/// tried; here a few of each kind go the whole way through the program.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
final class DamageTests {
    /// What `vault check` answers.
    private struct Report: Decodable {
        struct Damage: Decodable {
            var object: String
            var reason: String
            var points: [String]
            var fromLsn: LSN?
            var toLsn: LSN?
        }
        var ok: Bool
        var damage: [Damage]
    }

    /// A vault as an accident leaves it: two points, a timeline switch, a stream that was killed.
    private struct Scene {
        let protected: ProtectedServer
        let objects: VaultObjects
        /// The newer point, on the first timeline.
        let point: String
        /// Digest of everything its restore writes.
        let digest: String
        /// The end of what was streamed, on the second timeline, and the rows there are then.
        let end: LSN
        let rows: String
    }

    @Test func `damage of every kind of object is told, and never restored as if nothing were`()
        throws
    {
        try withScene { scene in
            var random = SeededRandom(stream: "damage through the program")
            let sound = try scene.protected.pgkeep(["vault", "check", "--level", "decode"])
            #expect(sound.succeeded, "\(sound.errors)")
            let kinds = try Dictionary(grouping: scene.objects.names(), by: kind)
            #expect(
                Set(kinds.keys) == [
                    "vault.json", "key", "instance", "scrub", "wal-evidence", "wal-mark", "root",
                    "pack",
                    "segment", "part", "journal", "history", "lease", "claim", "job", "activity",
                ]
            )
            for (kind, names) in kinds.sorted(by: { $0.key < $1.key }) {
                // The newest of a kind is what the restores below need; every check keeps its
                // results, so that record is another one each time.
                let now =
                    kind == "scrub"
                    ? try scene.objects.names().filter { self.kind($0) == kind } : names
                guard let name = now.last else { continue }
                let size = try scene.objects.size(name)
                var damages: [VaultObjects.Damage] = [
                    .flipped(.random(in: 0..<min(size, 48), using: &random)),
                    .flipped(.random(in: 0..<size, using: &random)),
                    .flipped(size - 1 - .random(in: 0..<min(size, 48), using: &random)),
                    .truncated(.random(in: 0..<size, using: &random)),
                    .missing,
                ]
                let others = names.dropLast() + (kinds["root"] ?? []) + (kinds["pack"] ?? [])
                if let other = others.first(where: { $0 != name }) {
                    damages.append(.swapped(other))
                }
                for (number, damage) in damages.enumerated() {
                    try scene.objects.with(damage, of: name) {
                        try check(scene, kind, name, damage)
                        // A cut and a flipped byte look alike to who reads the object.
                        if number == 1 || number > 3 { try restore(scene, kind, name, damage) }
                    }
                }
            }
            let healed = try scene.protected.pgkeep(["vault", "check", "--level", "decode"])
            #expect(healed.succeeded, "\(healed.errors)")
        }
    }

    // MARK: The two questions

    private func check(
        _ scene: Scene,
        _ kind: String,
        _ name: String,
        _ damage: VaultObjects.Damage
    ) throws {
        let result = try scene.protected.pgkeep(["vault", "check", "--json"])
        let what = "\(name) \(damage): exit \(result.exitCode) \(result.output) \(result.errors)"
        if case .missing = damage,
            [
                "lease", "claim", "scrub", "wal-evidence", "wal-mark", "part", "job", "activity",
            ].contains(kind)
        {
            // Every orderly end removes a session's lease and claim, and the next stream or check
            // writes its records anew: without them nothing that can be restored is lost. The part
            // at a timeline's end is also in the first segment of the next timeline. Jobs inform
            // people, and what was cut off the end of the activity log only its head tells.
            return
        }
        guard result.exitCode == 6, result.output.contains("\"damage\"") else {
            // Without its first file or its key a vault cannot be opened, which is said as such.
            let isUnopenable = ["vault.json", "key"].contains(kind) && result.exitCode != 0
            #expect(Bool(isUnopenable), "\(what)")
            return
        }
        let report = try ProtectedServer.read(result, as: Report.self)
        #expect(!report.ok && !report.damage.isEmpty, "\(what)")
        switch kind {
        case "root", "pack":
            #expect(report.damage.contains { $0.points.contains(scene.point) }, "\(what)")
        case "segment", "part", "journal":
            #expect(report.damage.contains { $0.fromLsn != nil && $0.toLsn != nil }, "\(what)")
        default: break
        }
        if case .missing = damage { return }
        // A journal that was cut is a shorter journal: what is missing is told of its segment.
        #expect(report.damage.contains { name.hasPrefix($0.object) }, "\(what)")
    }

    private func restore(
        _ scene: Scene,
        _ kind: String,
        _ name: String,
        _ damage: VaultObjects.Damage
    ) throws {
        let protected = scene.protected
        let copy = protected.scratch.unusedPath("copy")
        try FileSystem.makeDirectories(copy)
        try ServerUser.own(copy)
        defer { try? FileSystem.removeTree(copy) }
        let what = "\(name) \(damage)"
        if ["segment", "part", "journal", "history"].contains(kind) {
            let result = try protected.pgkeep([
                "restore", "start", ProtectedServer.name, "--to-dir", copy,
                "--lsn", "\(scene.end)", "--run",
                "--pg-bin", protected.server.installation.binaries,
            ])
            guard result.succeeded else { return }
            let server = try PostgresServer(
                protected.server.installation,
                dataDirectory: copy,
                in: protected.scratch
            )
            try protected.server.check("pg_ctl", ["stop", "-D", copy, "-m", "fast", "-w"])
            try server.start()
            #expect(try server.psql("select count(*) from ledger") == scene.rows, "\(what)")
            try server.stop()
            return
        }
        let result = try protected.pgkeep([
            "restore", "start", ProtectedServer.name, "--to-dir", copy, "--point", scene.point,
        ])
        guard result.succeeded else { return }
        #expect(try digest(of: copy) == scene.digest, "\(what)")
    }

    // MARK: The scene

    private func withScene(_ body: (Scene) throws -> Void) throws {
        var options = PostgresServer.Options()
        options.segmentMegabytes = 1
        // Half of it is how often an idle server says where it is.
        options.settings["wal_sender_timeout"] = "2s"
        try ProtectedServer.with(
            PostgresInstallation.required(18),
            options: options,
            prepare: { try $0.psql("create table ledger as select generate_series(1, 20000) id") }
        ) { protected in
            let server = protected.server
            let point = try protected.backup()
            let stream = try protected.startStream()
            try server.psql("insert into ledger select generate_series(1, 40000)")
            try protected.waitUntilStreamed()
            try waitUntilHeard(protected)
            stream.terminate()
            // A server that was a standby for a moment is on a new timeline.
            try server.stop()
            try FileSystem.writeAtomically(server.dataDirectory + "/standby.signal", [])
            try ServerUser.own(server.dataDirectory + "/standby.signal")
            try server.start()
            try server.promote()
            let last = try protected.startStream()
            try server.psql("insert into ledger select generate_series(1, 40000)")
            let end = try protected.waitUntilStreamed()
            try waitUntilTold(protected)
            last.kill()
            try server.stop(.immediate)
            let reference = try protected.restoreOnly(["--point", point.id])
            try body(
                Scene(
                    protected: protected,
                    objects: VaultObjects(vault: protected.vault),
                    point: point.id,
                    digest: try digest(of: reference.dataDirectory),
                    end: end,
                    rows: "100000"
                )
            )
        }
    }

    /// Waits until an idle server has said once more where its WAL ends.
    private func waitUntilHeard(_ protected: ProtectedServer) throws {
        let age = "extract(epoch from reply_time)"
        let query = "select \(age) from pg_stat_replication where application_name = 'pgkeep'"
        let first = try Double(protected.server.psql(query)) ?? 0
        try waitUntil("the stream has answered the server again") {
            try (Double(protected.server.psql(query)) ?? 0) > first + 2
        }
    }

    /// Waits until the stream has given a sign of life, which tells what it has reached: one given
    /// after the idle server has spoken again, which it does every second.
    private func waitUntilTold(_ protected: ProtectedServer) throws {
        let now = SystemClock().now.adding(seconds: 5)
        let objects = VaultObjects(vault: protected.vault)
        try waitUntil("the stream's lease is written again") {
            try objects.names().filter { kind($0) == "lease" }
                .contains { try objects.modified($0).map { $0 > now } ?? false }
        }
    }

    /// One digest of all files a restore wrote, but for those that name it: place, moment and key.
    private func digest(of directory: String) throws -> String {
        var runner = CommandRunner.asServer
        runner.directory = directory
        return try runner.check(
            "/bin/sh",
            [
                "-ec",
                """
                find . -type f ! -name postgresql.auto.conf ! -name backup_manifest \
                ! -name pgkeep-wal.key -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum
                """,
            ]
        )
    }

    private func kind(_ name: String) -> String {
        let parts = name.split(separator: "/").map(String.init)
        switch parts.first {
        case "r": return parts[1]
        case "key": return "key"
        case "j": return "job"
        case "a": return "activity"
        case "c": break
        default: return name
        }
        switch parts[2] {
        case "rp": return "root"
        case "wal": break
        default: return parts[2]
        }
        guard let dot = parts[4].firstIndex(of: ".") else { return "segment" }
        return parts[4][dot...].hasPrefix(".journal") ? "journal" : "part"
    }
}
