import Domain
import Platform
import TestSupport
import Testing

/// What a check of a real server's vault finds, keeps and goes on with; and what the vault takes.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct CheckServerTests {
    private struct Report: Decodable {
        struct Damage: Decodable {
            var object: String
            var reason: String
            var points: [String]
        }
        struct Gap: Decodable {
            var instance: String
            var fromLsn: LSN
            var toLsn: LSN
            var cause: String
        }
        struct Pack: Decodable {
            var instance: String
            var object: String
        }
        var ok: Bool
        var bytes: UInt64
        var damage: [Damage]
        var gaps: [Gap]
        var damagedPacks: [Pack]
        var leftOut: Int
        var due: Int
    }

    private struct Usage: Decodable {
        struct Point: Decodable {
            var id: String
            var logicalBytes: UInt64
            var storedBytes: UInt64
            var ownBytes: UInt64
        }
        struct Day: Decodable {
            var day: String
            var baseBytes: UInt64
            var walBytes: UInt64
        }
        struct Instance: Decodable {
            var name: String
            var pageBytes: UInt64
            var mapBytes: UInt64
            var unreferencedBytes: UInt64
            var walBytes: UInt64
            var historyBytes: UInt64
            var controlBytes: UInt64
            var totalBytes: UInt64
            var logicalBytes: UInt64
            var walLogicalBytes: UInt64
            var growthPerDay: UInt64
            var days: [Day]
            var points: [Point]
        }
        var instances: [Instance]
        var vaultBytes: UInt64
        var totalBytes: UInt64
        var objects: Int
    }

    private func check(_ protected: ProtectedServer, _ arguments: [String]) throws -> Report {
        let result = try protected.pgkeep(["vault", "check", "--json"] + arguments)
        let report = try ProtectedServer.read(result, as: Report.self)
        #expect(result.exitCode == (report.ok ? 0 : 6), "\(result.errors)")
        return report
    }

    @Test func `pages that came damaged from the server are told, torn ones of a busy one are not`()
        throws
    {
        var options = PostgresServer.Options()
        options.checksums = true
        try ProtectedServer.with(
            PostgresInstallation.required(18),
            options: options,
            prepare: { try $0.psql("create table victim as select generate_series(1, 20000) id") }
        ) { protected in
            let server = protected.server
            try server.psql(Committer.table)
            let committer = try Committer(server, from: 1)
            try protected.backup()
            committer.stop()
            _ = committer.finish()
            let busy = try check(protected, ["--level", "decode"])
            #expect(busy.ok, "\(busy.damage)")
            let path = try server.psql("select pg_relation_filepath('victim')")
            try server.psql("checkpoint")
            try server.stop()
            let file = try File(server.dataDirectory + "/" + path, .update)
            for page in [3, 9] as [UInt64] {
                try [UInt8(0x77)].withUnsafeBytes {
                    try file.write($0, at: page * 8192 + 5000)
                }
            }
            try server.start()
            let point = try protected.backup()
            let report = try check(protected, ["--level", "decode"])
            let damage = try #require(report.damage.first)
            #expect(report.damage.count == 1)
            #expect(damage.reason.contains("page 3 of \(path)"), "\(damage.reason)")
            #expect(damage.reason.contains("1 more"))
            #expect(damage.points == [point.id] && damage.object.hasSuffix("/rp/\(point.id)"))
            // The packs are as they were written: storing these pages anew would heal nothing.
            #expect(report.damagedPacks.isEmpty)
        }
    }

    @Test func `a check goes on where the last one ended, and damage is remembered`() throws {
        try ProtectedServer.with(PostgresInstallation.required(18)) { protected in
            try protected.catchUp()
            let objects = VaultObjects(vault: protected.vault)
            let first = try check(protected, [])
            #expect(first.ok && first.leftOut == 0 && first.due == 0)
            let again = try check(protected, ["--since", "1h"])
            #expect(again.ok && again.leftOut > 0 && again.due == 0)
            #expect(again.bytes * 2 < first.bytes)
            let some = try check(protected, ["--level", "decode", "--budget", "1B"])
            #expect(some.ok && some.due > 0)
            let packs = try objects.names().filter { $0.contains("/pack/") }
            let pack = try #require(try packs.max { try objects.size($0) < objects.size($1) })
            try objects.with(.flipped(500), of: pack) {
                let found = try check(protected, [])
                #expect(found.damage.map(\.object) == [pack])
                #expect(found.damagedPacks.map(\.object) == [pack])
                // What is known to be damaged is told by who does not look, too.
                let known = try check(protected, ["--level", "list"])
                #expect(known.damage.map(\.object) == [pack])
                #expect(known.damage.first?.points == [protected.firstPoint.id])
                // The next backup reads from the server what the pack held.
                let next = try protected.backup()
                #expect(next.pagesNew > 0)
                let after = try check(protected, ["--level", "decode"])
                #expect(after.damage.map(\.object) == [pack])
                #expect(after.damage.first?.points == [protected.firstPoint.id])
            }
            let healed = try check(protected, ["--since", "1h"])
            #expect(healed.ok && healed.damagedPacks.isEmpty)
            let wrong = try protected.pgkeep(["vault", "check", "--level", "list", "--since", "1h"])
            #expect(wrong.exitCode == 64)
        }
    }

    @Test func `every gap of the WAL is named with its cause`() throws {
        var options = PostgresServer.Options()
        options.segmentMegabytes = 1
        try ProtectedServer.with(PostgresInstallation.required(18), options: options) { protected in
            let server = protected.server
            try protected.catchUp()
            for _ in 0..<4 {
                try server.psql("create table if not exists t as select generate_series(1, 9) i")
                try server.psql("select pg_switch_wal()")
            }
            try protected.catchUp()
            try protected.backup()
            #expect(try check(protected, []).gaps.isEmpty)
            let objects = VaultObjects(vault: protected.vault)
            let segments = try objects.names().filter {
                $0.contains("/wal/") && $0.split(separator: "/").last?.count == 24
            }
            let lost = segments[segments.count - 3]
            try objects.with(.missing, of: lost) {
                let report = try check(protected, [])
                #expect(report.gaps.count == 1, "\(report.gaps)")
                let name = try #require(lost.split(separator: "/").last)
                let gap = try #require(report.gaps.first)
                let start = try server.psql(
                    "select ('x' || right('\(name)', 8))::bit(32)::bigint * 1048576"
                )
                #expect(gap.instance == "main" && "\(gap.fromLsn.rawValue)" == start)
                #expect(gap.toLsn.rawValue - gap.fromLsn.rawValue == 1 << 20)
                #expect(report.damage.contains { $0.object == lost })
            }
        }
    }

    @Test func `usage adds up, and says what each point alone holds`() throws {
        try ProtectedServer.with(
            PostgresInstallation.required(18),
            prepare: { try $0.psql("create table ledger as select generate_series(1, 50000) id") }
        ) { protected in
            try protected.server.psql("update ledger set id = id + 1 where id % 2 = 0")
            let second = try protected.backup()
            let objects = VaultObjects(vault: protected.vault)
            let usage = try protected.ask(["vault", "usage"], as: Usage.self)
            let names = try objects.names()
            let sizes = try names.map { try objects.size($0) }
            #expect(usage.objects == names.count)
            #expect(usage.totalBytes == sizes.reduce(0, +))
            let main = try #require(usage.instances.first)
            #expect(usage.instances.count == 1 && main.name == "main")
            #expect(usage.totalBytes == main.totalBytes + usage.vaultBytes)
            let kinds = [
                main.pageBytes, main.mapBytes, main.unreferencedBytes, main.walBytes,
                main.historyBytes, main.controlBytes,
            ]
            #expect(kinds.reduce(0, +) == main.totalBytes)
            #expect(main.unreferencedBytes == 0 && main.mapBytes > 0)
            #expect(main.pageBytes > main.mapBytes)
            #expect(main.logicalBytes == main.points.reduce(0) { $0 + $1.logicalBytes })
            #expect(main.walLogicalBytes >= main.walBytes)
            // All packs of the newest point are its own, and its root.
            func bytes(_ part: String) throws -> UInt64 {
                try names.filter { $0.contains(part) }.reduce(0) { try $0 + objects.size($1) }
            }
            let newest = try #require(main.points.last)
            #expect(newest.id == second.id)
            #expect(
                try newest.ownBytes == bytes("/pack/\(second.id)/") + bytes("/rp/\(second.id)")
            )
            // The first one's are shared, all but what only it needs.
            let first = try #require(main.points.first)
            #expect(first.ownBytes < first.storedBytes)
            #expect(main.growthPerDay == newest.storedBytes + main.walBytes)
            #expect(main.days.reduce(0) { $0 + $1.walBytes } == main.walBytes)
            #expect(
                main.days.reduce(0) { $0 + $1.baseBytes }
                    == main.points.reduce(0) { $0 + $1.storedBytes }
            )
        }
    }
}
