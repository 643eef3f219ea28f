import Domain
import Engine
import Platform
import TestSupport
import Testing
import Vaulting

/// Days and months in the life of a real server that pgkeep protects as cron would have it: the
/// program itself, and a server, under clocks that a test sets.
///
/// A day: at 2 a backup is due, which is taken at 3; at 4 a row is committed, and at 4:30 another,
/// and WAL is fetched; at 5 the vault is pruned, and compared with the account.
final class ServerYear {
    struct PointDates: Decodable {
        var id = ""
        var startLsn = LSN.zero
        var stopLsn = LSN.zero
        var consistentAt = Timestamp(microseconds: 0)
        var expiresAt: Timestamp?
    }

    private struct Points: Decodable { var points: [PointDates] }
    private struct Token: Decodable { var token: String }
    private struct Held: Decodable { var id: String }
    private struct Jobs: Decodable {
        struct Job: Decodable { var id: String }
        var jobs: [Job]
    }
    private struct Resumed: Decodable { var gap: ProtectedServer.Window.Gap? }
    private struct Due: Decodable {
        struct Entry: Decodable { var outcome: String }
        var instances: [Entry]
    }

    private static let segmentBytes: UInt64 = 1 << 20

    let protected: ProtectedServer
    private let serverClock: ShiftedClock
    private let hostClock: ShiftedClock
    private let plan: YearPlan
    private let start: Timestamp
    var random = SeededRandom(stream: "year of a server")
    private(set) var account = YearAccount()
    /// In the order of their commits.
    private(set) var rows: [(committed: Timestamp, number: Int)] = []
    /// How many there were when a point was taken.
    private(set) var rowsAt: [String: Int] = [:]
    private var hold: String?
    private var isUp = true
    private var isActive = true

    init(
        _ protected: ProtectedServer,
        server: ShiftedClock,
        host: ShiftedClock,
        _ plan: YearPlan
    ) throws {
        self.protected = protected
        serverClock = server
        hostClock = host
        self.plan = plan
        // Tomorrow: no clock of the server's has to go back.
        start = Timestamp(seconds: (SystemClock().now.seconds / 86400 + 1) * 86400)
    }

    /// Sets both clocks; returns what they show.
    @discardableResult
    private func setTime(_ day: Int, _ hours: Double) throws -> Timestamp {
        let time = start.adding(seconds: Int64(day) * 86400 + Int64(hours * 3600))
        try serverClock.set(time)
        try hostClock.set(time)
        return time
    }

    // MARK: - Days

    func run() throws {
        let begun = try setTime(0, 3)
        try protected.succeed(["policy", "set", "default", "--schedule", "0 2 * * *"])
        try protected.succeed(["instance", "add", "main", "--source", "service=main"])
        try takeNote(at: begun, day: 0)
        try write(0)
        try prune(0)
        for day in 1..<plan.days {
            try change(day)
            if isActive { try backUp(day) }
            if plan.pause(from: day) != nil { try stop(day) }
            if isUp { try write(day) }
            try prune(day)
            try compare(day)
            if plan.restores.contains(day) { try restore(day) }
        }
        try protected.succeed(["vault", "check", "--level", "decode"])
    }

    /// What the plan wants changed on a morning.
    private func change(_ day: Int) throws {
        try setTime(day, 1)
        if day == plan.held.lowerBound, let oldest = account.points.first?.id {
            let add = ["hold", "add", "main", "--point", oldest, "--title", "case 4711"]
            hold = try protected.ask(add, as: Held.self).id
            account.held = [oldest]
        }
        if day == plan.held.upperBound, let hold {
            try protected.succeed(["hold", "release", hold])
            account.held = []
        }
        if day == plan.raised.lowerBound { try setRetention(plan.retention) }
        if day == plan.raised.upperBound { try setRetention(7) }
        if day == plan.down.lowerBound {
            try protected.server.stop()
            isUp = false
        }
        if day == plan.down.upperBound {
            try protected.server.start()
            isUp = true
        }
        if let pause = plan.pause(until: day) { try resume(day, pause) }
    }

    private func setRetention(_ days: Int64) throws {
        let set = ["policy", "set", "default", "--retention", "\(days)"]
        let token = try protected.ask(set + ["--what-if"], as: Token.self).token
        try protected.succeed(set + ["--token", token])
        account.retentionDays = days
    }

    private func backUp(_ day: Int) throws {
        let time = try setTime(day, 3)
        if isUp {
            // After a pause nothing may have changed since the backup it ended with.
            rows.append((time, -day))
            try protected.server.psql("insert into ledger values (\(-day))")
        }
        let due = try protected.ask(["backup", "run-due"], as: Due.self)
        #expect(due.instances.map(\.outcome) == [isUp ? "completed" : "skipped"], "day \(day)")
        if isUp { try takeNote(at: time, day: day) }
        let again = try protected.ask(["backup", "run-due"], as: Due.self)
        #expect(again.instances.map(\.outcome) == [isUp ? "not-due" : "skipped"], "day \(day)")
    }

    private func stop(_ day: Int) throws {
        try setTime(day, 3.5)
        try protected.succeed(["instance", "stop", "main", "--retain", "forever", "--yes"])
        account.stopStream()
        isActive = false
    }

    private func resume(_ day: Int, _ pause: YearPlan.Pause) throws {
        let time = try setTime(day, 1.5)
        let kept = try protected.server.psql("select pg_ls_dir('pg_wal')").split(separator: "\n")
        let isFilled = account.resume(
            kept: Set(kept.compactMap(Self.segment)),
            upTo: try segment()
        )
        #expect(isFilled != pause.losesWAL, "day \(day)")
        let resumed = try protected.ask(["instance", "resume", "main"], as: Resumed.self)
        #expect((resumed.gap?.cause == "stopped") == pause.losesWAL, "day \(day)")
        isActive = true
        try takeNote(at: time, day: day)
        account.prune(time)
        // With nothing left before it, it is no gap.
        let isGap = pause.losesWAL && account.points.count > 1
        let causes = try protected.window().gaps.map(\.cause)
        #expect(causes.contains("stopped") == isGap, "day \(day): \(causes)")
    }

    /// Two commits in segments of their own, and WAL is fetched if somebody does.
    private func write(_ day: Int) throws {
        let server = protected.server
        rows.append((try setTime(day, 4), 2 * day))
        try server.psql("insert into ledger values (\(2 * day)); select pg_switch_wal()")
        let time = try setTime(day, 4.5)
        rows.append((time, 2 * day + 1))
        try server.psql("insert into ledger values (\(2 * day + 1))")
        let next = try segment()
        if isActive {
            try protected.catchUp()
            account.stream(to: try segment(), at: time)
        } else if plan.pauses.contains(where: { $0.losesWAL && $0.days.contains(day) }) {
            try server.psql("checkpoint")
        }
        account.add(
            YearAccount.Moment(
                time: time.adding(seconds: -900),
                segment: next,
                isPromised: isActive
            )
        )
    }

    private func prune(_ day: Int) throws {
        let time = try setTime(day, pruneHour(day))
        var host = time
        var believed = time
        if day == plan.ahead {
            host = time.adding(seconds: 400 * 86400)
            // The machine has run on: no more time has passed than it knows of.
            believed = start.adding(
                seconds: Int64(day - 1) * 86400 + Int64(pruneHour(day - 1) * 3600)
            )
        }
        if plan.behind.contains(day) { host = time.adding(seconds: -30 * 86400) }
        // A clock that goes ahead again is doubted for two days.
        if plan.behind.lowerBound..<plan.behind.upperBound + 2 ~= day {
            believed = time.adding(seconds: -30 * 86400)
        }
        let jobs = day == plan.ahead ? try jobsThere() : []
        try hostClock.set(host)
        try protected.succeed(["vault", "prune"])
        try hostClock.set(time)
        account.prune(isActive ? believed : nil)
        // Not even records are taken for old.
        if day == plan.ahead { #expect(try !jobs.isEmpty && jobs.isSubset(of: jobsThere())) }
    }

    /// A little later each day, so that days are over after as many days.
    private func pruneHour(_ day: Int) -> Double { 5 + Double(day) / 400 }

    // MARK: - What is there

    private func segment() throws -> UInt64 {
        // A position at a segment's very start has nothing in it yet.
        (try protected.server.currentLSN().rawValue - 1) / Self.segmentBytes
    }

    private func jobsThere() throws -> Set<String> {
        let jobs = try protected.ask(["job", "list", "--all"], as: Jobs.self).jobs
        return Set(jobs.map(\.id))
    }

    func pointsThere() throws -> [PointDates] {
        try protected.ask(["backup", "list", "main"], as: Points.self).points
    }

    /// Puts the newest point into the account.
    private func takeNote(at time: Timestamp, day: Int) throws {
        let point = try #require(pointsThere().last)
        #expect(abs(point.consistentAt.seconds(since: time)) < 3600, "day \(day)")
        let wrong = account.add(
            YearAccount.Point(
                id: point.id,
                consistentAt: point.consistentAt,
                expiresAt: try #require(point.expiresAt),
                segments: point.startLsn.rawValue / Self.segmentBytes...(point.stopLsn.rawValue - 1)
                    / Self.segmentBytes
            ),
            at: time
        )
        #expect(wrong == nil, "day \(day): \(wrong ?? "")")
        rowsAt[point.id] = rows.count
    }

    /// The number a file of WAL is named by; nil for other files.
    static func segment(_ name: Substring) -> UInt64? {
        guard name.utf8.count == 24, let log = UInt64(name.dropFirst(8).prefix(8), radix: 16),
            let number = UInt64(name.suffix(8), radix: 16)
        else { return nil }
        return log << 32 / segmentBytes + number
    }
}
