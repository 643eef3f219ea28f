import Domain
import Platform
import TestSupport
import Testing

/// Every kind of target, restored from a server that never stops writing: the copy holds exactly
/// the rows whose commits recovery had to replay, and PostgreSQL's own tools find nothing wrong.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct RecoveryTargetsTests {
    /// Times are tried on all versions together; `PGKEEP_TEST_TARGETS` asks for more.
    private static let times = environmentValue("PGKEEP_TEST_TARGETS").flatMap { Int($0) } ?? 20

    @Test(arguments: PostgresInstallation.testedMajors)
    func `every kind of target leads to exactly the rows due`(major: Int) throws {
        let majors = PostgresInstallation.testedMajors
        let share = (Self.times + majors.count - 1) / majors.count
        var options = PostgresServer.Options()
        options.settings = [
            "track_commit_timestamp": "on", "wal_keep_size": "4GB", "autovacuum": "off",
        ]
        try ProtectedServer.with(
            PostgresInstallation.required(major),
            options: options,
            prepare: Ledger.create,
            { protected in
                let scenario = try TargetScenario(protected)
                try scenario.write()
                try scenario.checkTimes(share)
                try scenario.checkPositions()
                try scenario.checkTransactions()
                try scenario.checkNames()
                try scenario.checkPoints()
                try scenario.checkLatestWhileWriting()
                try scenario.checkIdle()
            }
        )
    }
}

/// One server with its load, and the WAL's own account of what was committed.
private final class TargetScenario {
    private let protected: ProtectedServer
    private let server: PostgresServer
    private let stream: RunningCommand
    private let load: Ledger.Load
    private let begin: LSN
    private var points: [ProtectedServer.Point] = []
    private var log: TransactionLog
    private var names: [(name: String, lsn: LSN)] = []
    private var random: SeededRandom

    init(_ protected: ProtectedServer) throws {
        self.protected = protected
        server = protected.server
        begin = try server.currentLSN()
        random = SeededRandom(stream: "targets-\(server.major)")
        load = try Ledger.startLoad(on: server)
        stream = try protected.startStream()
        log = TransactionLog(ends: [])
    }

    /// Writes over several segments and a second backup, with restore points between.
    func write() throws {
        try Ledger.wait(forMore: 60, on: server)
        try mark("twice")
        try server.psql("select pg_switch_wal()")
        try Ledger.wait(forMore: 40, on: server)
        try mark("once")
        try Ledger.wait(forMore: 20, on: server)
        try protected.backup()
        try Ledger.wait(forMore: 40, on: server)
        try server.psql("select pg_switch_wal()")
        try Ledger.wait(forMore: 40, on: server)
        try mark("twice")
        try Ledger.wait(forMore: 60, on: server)
        points = try protected.points()
        #expect(points.count == 2)
        try readLog()
    }

    private func mark(_ name: String) throws {
        let lsn = LSN(try server.psql("select pg_create_restore_point('\(name)')"))
        names.append((name, try #require(lsn)))
    }

    /// Asks the WAL, and has the server's own memory of commit times confirm the reading.
    private func readLog() throws {
        log = try TransactionLog.read(server, from: begin)
        try protected.waitUntilStreamed()
        let told = Dictionary(log.ends.filter(\.isCommit).map { ($0.xid, $0.time) }) { $1 }
        let remembered = try Ledger.commitTimes(on: server)
        let known = remembered.filter { told[$0.key] != nil }
        #expect(known.count > 200)
        #expect(known.allSatisfy { told[$0.key] == $0.value })
    }

    /// Restores, starts, compares the rows with those due, and lets PostgreSQL's tools judge.
    @discardableResult
    private func check(
        _ target: [String],
        until stops: (TransactionLog.End) -> Bool
    ) throws -> ProtectedServer.Restored {
        let ledger = try Ledger.rows(on: server)
        let due = log.committed(until: stops).intersection(ledger)
        let (copy, answer) = try protected.restoreFiles(target)
        try copy.start()
        try copy.waitForPromotion()
        let found = try Ledger.rows(on: copy)
        #expect(due.subtracting(found).isEmpty, "missing after \(target)")
        #expect(found.subtracting(due).isEmpty, "too much after \(target)")
        try finish(copy)
        return answer
    }

    private func finish(_ copy: PostgresServer) throws {
        let sums = try copy.pgbenchSums()
        #expect(sums.count == 4 && Set(sums).count == 1, "pgbench's sums differ: \(sums)")
        try copy.judge()
        try FileSystem.removeTree(copy.dataDirectory)
    }

    /// The time of the last commit behind a point's end that is replayed before `stops`.
    private func lastCommit(
        after point: String,
        until stops: (TransactionLog.End) -> Bool
    ) throws -> Timestamp? {
        let stop = try #require(points.first { $0.id == point }.flatMap { LSN($0.stopLsn) })
        return log.ends.prefix { !stops($0) }.last { $0.isCommit && $0.start >= stop }?.time
    }

    // MARK: Targets

    /// Random moments, and half of them exactly a commit's; each third time exclusive.
    func checkTimes(_ count: Int) throws {
        let interval = try #require(try protected.window().intervals.first)
        let ends = log.ends.filter { $0.time > interval.earliest && $0.isCommit }
        let last = try #require(ends.map(\.time).max())
        for number in 0..<count {
            let between = interval.earliest.microseconds..<last.microseconds
            let time =
                number % 2 == 0
                ? Timestamp(microseconds: Int64.random(in: between, using: &random))
                : try #require(ends.dropLast().randomElement(using: &random)).time
            let isExclusive = number % 3 == 2
            let stops = { (end: TransactionLog.End) in
                isExclusive ? end.time >= time : end.time > time
            }
            let answer = try check(
                ["--time", "\(time)"] + (isExclusive ? ["--exclusive"] : []),
                until: stops
            )
            #expect(answer.requestedTime == time)
            #expect(answer.effectiveLsn == log.ends.first(where: stops)?.start)
            if let told = try lastCommit(after: answer.point, until: stops) {
                #expect(answer.effectiveTime == told)
            }
        }
    }

    private func someCommit() throws -> TransactionLog.End {
        let ledger = try Ledger.rows(on: server)
        let first = try #require(LSN(points[0].stopLsn))
        let ends = log.ends.filter { $0.start > first && ledger.contains($0.xid) }
        return try #require(ends.randomElement(using: &random))
    }

    func checkPositions() throws {
        let record = try someCommit()
        try check(["--lsn", "\(record.start)"]) { $0.start > record.start }
        try check(["--lsn", "\(record.start)", "--exclusive"]) { $0.start >= record.start }
    }

    func checkTransactions() throws {
        let record = try someCommit()
        try check(["--xid", "\(record.xid)"]) { $0.start > record.start }
        try check(["--xid", "\(record.xid)", "--exclusive"]) { $0.start >= record.start }
        let first = try #require(LSN(points[0].stopLsn))
        let aborted = log.ends.filter { $0.start > first && !$0.isCommit }
        let abort = try #require(aborted.randomElement(using: &random))
        let answer = try check(["--xid", "\(abort.xid)"]) { $0.start > abort.start }
        #expect(answer.warnings.contains { $0.contains("rolled back") })
    }

    /// A name that was given once, and one given twice: the last is meant, and said to be.
    func checkNames() throws {
        let once = try #require(names.first { $0.name == "once" })
        try check(["--name", "once"]) { $0.start >= once.lsn }
        let twice = try #require(names.last { $0.name == "twice" })
        let answer = try check(["--name", "twice"]) { $0.start >= twice.lsn }
        #expect(answer.warnings.contains { $0.contains("2 restore points") })
        let sided = try protected.pgkeep([
            "restore", "plan", "main", "--name", "once", "--exclusive",
        ])
        #expect(sided.exitCode == 64)
    }

    func checkPoints() throws {
        for point in points {
            let stop = try #require(LSN(point.stopLsn))
            let answer = try check(["--point", point.id]) { $0.start >= stop }
            #expect(answer.point == point.id)
        }
    }

    /// All that was acknowledged when the restore began is there; what else is there are the
    /// commits next in order, none left out.
    func checkLatestWhileWriting() throws {
        let acknowledged = try protected.waitUntilStreamed()
        let (copy, _) = try protected.restoreFiles(["--latest"])
        try copy.start()
        try copy.waitForPromotion()
        let found = try Ledger.rows(on: copy)
        try readLog()
        let last = try #require(log.ends.last { $0.isCommit && found.contains($0.xid) })
        let ledger = try Ledger.rows(on: server)
        #expect(log.committed { $0.start > last.start }.intersection(ledger) == found)
        #expect(log.committed { $0.start >= acknowledged }.intersection(ledger).isSubset(of: found))
        try finish(copy)
    }

    /// With the load stopped: the last commit's own time, the time before it, a time at which
    /// nothing happened but the server was heard, and one nobody knows of.
    func checkIdle() throws {
        load.stop()
        try readLog()
        let last = try #require(log.ends.last { $0.isCommit })
        try waitUntil("the server was heard after its last commit", seconds: 120) {
            let heard = try protected.window().intervals.last?.streamedUntil
            return heard.map { $0 > last.time } ?? false
        }
        let heard = try #require(try protected.window().intervals.last?.streamedUntil)
        try check(["--time", "\(last.time)"]) { $0.time > last.time }
        try check(["--time", "\(last.time)", "--exclusive"]) { $0.time >= last.time }
        let idle = Timestamp(microseconds: (last.time.microseconds + heard.microseconds + 1) / 2)
        #expect(idle > last.time)
        try check(["--time", "\(idle)"]) { _ in false }
        try check([]) { _ in false }
        let unknown = try protected.pgkeep(
            ["restore", "plan", "main", "--time", "\(heard.adding(seconds: 3600))"]
        )
        #expect(unknown.exitCode == 5)
        #expect(stream.terminate().succeeded)
        // The last word heard is kept when the stream has ended.
        let after = try #require(try protected.window().intervals.last?.streamedUntil)
        #expect(after >= heard)
    }
}
