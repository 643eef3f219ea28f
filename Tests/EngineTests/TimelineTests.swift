import Domain
import Platform
import TestSupport
import Testing

/// Promotions: the stream follows them, restores lead to either side, and what is not the
/// instance's own future never gets into its archive.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct TimelineTests {
    private static let settings = ["wal_keep_size": "4GB", "autovacuum": "off"]

    private func protect(
        _ major: Int,
        _ more: [String: String] = [:],
        _ body: (ProtectedServer) throws -> Void
    ) throws {
        var options = PostgresServer.Options()
        options.settings = Self.settings.merging(more) { $1 }
        try ProtectedServer.with(
            PostgresInstallation.required(major),
            options: options,
            prepare: Ledger.create,
            body
        )
    }

    /// Restores and compares with the rows due; returns the promoted copy's timeline.
    @discardableResult
    private func check(
        _ protected: ProtectedServer,
        _ target: [String],
        due: Set<UInt32>
    ) throws -> String {
        let copy = try protected.restore(target)
        let found = try Ledger.rows(on: copy)
        #expect(due.subtracting(found).isEmpty, "missing after \(target)")
        #expect(found.subtracting(due).isEmpty, "too much after \(target)")
        #expect(try Set(copy.pgbenchSums()).count == 1)
        let file = try copy.psql("select pg_walfile_name(pg_current_wal_lsn())")
        try copy.judge()
        try FileSystem.removeTree(copy.dataDirectory)
        return String(file.prefix(8))
    }

    /// `wal fetch` gives the history file byte by byte as the server has it.
    private func checkHistory(_ protected: ProtectedServer, _ name: String) throws {
        let path = protected.scratch.file("operator") + "/fetched"
        try protected.succeed(["wal", "fetch", "main", name, path])
        let own = try FileSystem.readFile(protected.server.dataDirectory + "/pg_wal/" + name)
        #expect(try FileSystem.readFile(path) == own)
        try FileSystem.removeFile(path)
    }

    private func someTime(
        in log: TransactionLog,
        after position: LSN = .zero,
        _ random: inout SeededRandom
    ) throws -> Timestamp {
        let ends = log.ends.filter { $0.isCommit && $0.start > position }
        return try #require(ends.randomElement(using: &random)).time
    }

    // MARK: Followed promotions

    /// The source is a standby, promoted under the running stream.
    @Test(arguments: PostgresInstallation.testedMajors)
    func `a stream from a standby follows its promotion`(major: Int) throws {
        var random = SeededRandom(stream: "promotion-\(major)")
        try protect(major) { protected in
            let primary = protected.server
            let begin = try primary.currentLSN()
            let standby = try primary.createStandby()
            try protected.lead(to: standby)
            let stream = try protected.startStream()
            let first = try Ledger.startLoad(on: primary)
            try Ledger.wait(forMore: 80, on: primary)
            first.stop()
            let before = try TransactionLog.read(primary, from: begin)
            let rowsBefore = try Ledger.rows(on: primary)
            try standby.catchUp(with: primary)
            try primary.kill()

            let fork = try LSN(standby.psql("select pg_last_wal_replay_lsn()"))
            #expect(try standby.promote() == 2)
            let second = try Ledger.startLoad(on: standby)
            try Ledger.wait(forMore: 80, on: standby)
            let after = try TransactionLog.read(standby, from: try #require(fork), timeline: 2)
            try Ledger.wait(forMore: 20, on: standby)
            second.stop()
            let rows = try Ledger.rows(on: standby)
            try protected.waitUntilStreamed()
            #expect(stream.isRunning)
            try checkHistory(protected, "00000002.history")

            let early = try someTime(in: before, &random)
            let dueEarly = before.committed { $0.time > early }.intersection(rowsBefore)
            try check(protected, ["--time", "\(early)"], due: dueEarly)
            let late = try someTime(in: after, &random)
            let dueLate = after.committed { $0.time > late }.intersection(rows)
            try check(protected, ["--time", "\(late)"], due: dueLate.union(rowsBefore))
            // The archive has timeline 2, so a copy must not call itself that.
            #expect(try check(protected, [], due: rows) == "00000003")
            #expect(stream.terminate().succeeded)
        }
    }

    /// The old timeline's last segment but one holds where the record begins, the new one's first
    /// segment where it ends: only a walk over both knows it.
    @Test func `a restore point that runs into the segment of the promotion is found`() throws {
        var options = PostgresServer.Options()
        options.settings = Self.settings
        options.segmentMegabytes = 1
        try ProtectedServer.with(PostgresInstallation.required(18), options: options) { protected in
            let primary = protected.server
            let standby = try primary.createStandby()
            try protected.lead(to: standby)
            let stream = try protected.startStream()
            let mark = try #require(try straddle(primary, "straddling"))
            // A commit of something written makes all before it durable, and so streamed. (That of
            // a transaction which only took a number would not: the server is in no hurry there.)
            try primary.psql("create table flushed (a int)")
            try standby.catchUp(with: primary)
            try primary.kill()
            #expect(try standby.promote() == 2)
            try standby.psql("create table after_promotion (a int)")
            try protected.waitUntilStreamed()
            #expect(stream.terminate().succeeded)
            #expect(try protected.plan(["--name", "straddling"]).effectiveLsn == mark)
            let copy = try protected.restore(["--name", "straddling"])
            #expect(try copy.psql("select to_regclass('after_promotion') is null") == "t")
        }
    }

    /// Fills a segment but for its last bytes, so that a restore point begins in it and ends in the
    /// next; returns its end. Something else may write in between, so there are several tries.
    private func straddle(_ server: PostgresServer, _ name: String) throws -> LSN? {
        let size: UInt64 = 1 << 20
        for _ in 0..<20 {
            let inserted = LSN(try server.psql("select pg_current_wal_insert_lsn()"))
            let position = try #require(inserted)
            let left = size - position.rawValue % size
            if (24...88).contains(left) {
                let end = LSN(try server.psql("select pg_create_restore_point('\(name)')"))
                guard let end, end.rawValue % size > 24 + 40 else { continue }
                return end
            }
            // A record of one message has 51 to 54 bytes besides it, and page headers come between.
            let room = left > 12_000 ? left - 9_000 : left > 300 ? left - 250 : left - min(left, 91)
            let message = "repeat('x', \(room))"
            try server.psql("select pg_logical_emit_message(false, '', \(message))")
        }
        return nil
    }

    /// The primary dies with WAL that its standby never got; the address moves to the standby.
    @Test(arguments: PostgresInstallation.testedMajors)
    func `a failover leaves a branch behind and both can be restored`(major: Int) throws {
        var random = SeededRandom(stream: "failover-\(major)")
        try protect(major) { protected in
            let primary = protected.server
            let standby = try primary.createStandby(settings: ["wal_keep_size": "0"])
            let begin = try primary.currentLSN()
            let stream = try protected.startStream()
            let load = try Ledger.startLoad(on: primary)
            try Ledger.wait(forMore: 60, on: primary)
            try standby.stop()
            let shared = try primary.currentLSN()
            try Ledger.wait(forMore: 40, on: primary)
            try primary.psql("select pg_switch_wal()")
            try Ledger.wait(forMore: 40, on: primary)
            try primary.psql("select pg_switch_wal()")
            load.stop()
            let log = try TransactionLog.read(primary, from: begin)
            let branch = try Ledger.rows(on: primary)
            try protected.waitUntilStreamed()
            try primary.kill()

            try standby.start()
            #expect(try standby.promote() == 2)
            let kept = try Ledger.rows(on: standby)
            #expect(kept.isStrictSubset(of: branch))
            try protected.lead(to: standby)
            try Ledger.follow(protected, standby)
            let rows = try Ledger.rows(on: standby)
            #expect(stream.isRunning)

            // A moment that only the lost branch knew: the kept rows, or with its timeline those.
            let time = try someTime(in: log, after: shared, &random)
            try check(protected, ["--time", "\(time)"], due: kept)
            let due = log.committed { $0.time > time }.intersection(branch)
            try check(protected, ["--time", "\(time)", "--timeline", "1"], due: due)
            try check(protected, ["--timeline", "1"], due: branch)
            let point = try protected.backup()
            #expect(point.timeline == 2)
            try check(protected, ["--point", point.id], due: rows)
            try check(protected, [], due: rows)
            try checkReturn(protected, primary, stream, rows)
        }
    }

    /// The new primary's stream is begun again though the branch left behind goes further; the old
    /// primary, when it comes back under the address, is turned away.
    private func checkReturn(
        _ protected: ProtectedServer,
        _ old: PostgresServer,
        _ stream: RunningCommand,
        _ rows: Set<UInt32>
    ) throws {
        let new = protected.server
        try protected.waitUntilStreamed()
        #expect(stream.terminate().succeeded)
        try new.psql("checkpoint; select pg_switch_wal(); checkpoint")
        try protected.catchUp()
        #expect(try protected.window().gaps.isEmpty)

        let files = try protected.archivedWAL()
        try old.start()
        try protected.lead(to: old)
        for refused in [["wal", "stream", "main"], ["backup", "create", "main"]] {
            let result = try protected.pgkeep(refused)
            #expect(result.exitCode == 3)
            #expect(result.errors.contains("left behind"))
        }
        #expect(try protected.archivedWAL() == files)
        #expect(try protected.points().count == 2)
        try check(protected, [], due: rows)
    }

    // MARK: Copies

    /// A promoted copy has its original's identity and a timeline the original may take as well.
    @Test(arguments: PostgresInstallation.testedMajors)
    func `a restored and promoted copy puts nothing into the vault`(major: Int) throws {
        let archive = try ScratchDirectory()
        defer { try? archive.close() }
        let pushed = try archive.serverDirectory("pushed")
        let settings = [
            "archive_mode": "on", "archive_command": "'cp %p \(pushed)/%f'",
            "synchronous_standby_names": "''",
        ]
        try protect(major, settings) { protected in
            let original = protected.server
            let stream = try protected.startStream()
            try original.runPgbench(transactions: 50)
            try protected.waitUntilStreamed()
            let copies = try [0, 1].map { _ in
                let copy = try protected.restore([])
                try checkHarmless(copy, pushed)
                return copy
            }
            #expect(stream.terminate().succeeded)
            let files = try protected.archivedWAL()
            try protected.lead(to: copies[0])
            for refused in [
                ["wal", "stream", "main"], ["wal", "stream", "main", "--until-caught-up"],
                ["backup", "create", "main"],
                ["instance", "add", "copy", "--source", "service=main"],
            ] {
                let result = try protected.pgkeep(refused)
                #expect(result.exitCode == 3, "\(refused): \(result.errors)")
                #expect(result.errors.contains("restored copy"), "\(refused): \(result.errors)")
            }
            #expect(try protected.archivedWAL() == files)
            #expect(try protected.points().count == 1)
            try checkTakeover(protected, copies, original)
        }
    }

    /// What a copy must not do by itself.
    private func checkHarmless(_ copy: PostgresServer, _ pushed: String) throws {
        let before = try FileSystem.list(pushed)
        for (name, value) in [
            ("archive_mode", "off"), ("archive_command", "(disabled)"), ("primary_conninfo", ""),
            ("primary_slot_name", ""), ("synchronous_standby_names", ""),
        ] {
            #expect(try copy.psql("show \(name)") == value, "\(name)")
        }
        #expect(try copy.psql("select count(*) from pg_replication_slots") == "0")
        try copy.runPgbench(transactions: 20)
        try copy.psql("select pg_switch_wal(); checkpoint; select pg_switch_wal()")
        #expect(try FileSystem.list(pushed) == before)
        // The key it fetched its WAL with went with recovery.
        let key = try FileSystem.info(copy.dataDirectory + "/pgkeep-wal.key")
        #expect(key == nil)
    }

    /// A copy takes the original's place, as its operator says on it. The other copy, whose
    /// timeline 2 begins at the same position with the same history file, is kept out even when the
    /// same was said on it, and so is the original.
    private func checkTakeover(
        _ protected: ProtectedServer,
        _ copies: [PostgresServer],
        _ original: PostgresServer
    ) throws {
        for copy in copies {
            try copy.psql("alter system reset pgkeep.restored_copy")
            try copy.reload()
            try waitUntil("the mark is gone") {
                try copy.psql("show pgkeep.restored_copy").isEmpty
            }
        }
        try copies[0].runPgbench(transactions: 50)
        try protected.catchUp()
        let point = try protected.backup()
        #expect(point.timeline == 2)
        try copies[0].psql("select pg_switch_wal()")
        try protected.catchUp()
        let sums = try copies[0].pgbenchSums()
        let files = try protected.archivedWAL()
        for server in [copies[1], original] {
            try protected.lead(to: server)
            for refused in [["wal", "stream", "main"], ["backup", "create", "main"]] {
                let result = try protected.pgkeep(refused)
                #expect(result.exitCode == 3, "\(refused): \(result.errors)")
            }
            #expect(try protected.archivedWAL() == files)
            #expect(try protected.points().count == 2)
        }
        let again = try protected.restore([])
        #expect(try again.pgbenchSums() == sums)
    }
}

extension Ledger {
    /// Writes more on a new primary and waits until the stream that followed has it all.
    fileprivate static func follow(_ protected: ProtectedServer, _ server: PostgresServer) throws {
        let load = try startLoad(on: server)
        try wait(forMore: 60, on: server)
        try server.psql("select pg_switch_wal()")
        try wait(forMore: 20, on: server)
        load.stop()
        try protected.waitUntilStreamed()
    }
}

extension ProtectedServer {
    /// All objects of the WAL archive and the histories, with their sizes.
    fileprivate func archivedWAL() throws -> [String] {
        try CommandRunner.asServer.check(
            "/usr/bin/find",
            [vault, "-type", "f", "(", "-path", "*/wal/*", "-o", "-path", "*/history/*", ")"]
                + ["-printf", "%P %s\n"]
        ).split(separator: "\n").map(String.init).sorted()
    }
}
