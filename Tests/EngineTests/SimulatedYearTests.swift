import Domain
import Engine
import Platform
import TestSupport
import Testing
import Vaulting

/// A year of daily backups and prunings of one instance in this process: policies change, the
/// server is down for weeks, protection stops, a point is held, and clocks jump. Each day what is
/// there must be what a plain account of the promises says; pages of points are read back.
struct SimulatedYearTests {
    private static let day: Int64 = 86400

    /// The account: what was promised of each point when it was made, and what must be there.
    private struct Account {
        struct Entry {
            var expiresAt: Timestamp
            var consistentAt: Timestamp
            var files: [String: TarMaker.File]
        }
        var entries: [PointID: Entry] = [:]
        var held: Set<PointID> = []

        /// Lets go what may go at `now`; returns what goes.
        mutating func expire(_ now: Timestamp) -> Set<PointID> {
            let newest = entries.keys.max()
            let gone = entries.filter {
                $0.value.expiresAt <= now && $0.key != newest && !held.contains($0.key)
            }
            for id in gone.keys { entries[id] = nil }
            return Set(gone.keys)
        }
    }

    private final class Year {
        let main: LifecycleFixture
        var account = Account()
        /// The server's clock, which is right.
        var server = Timestamp(seconds: 1_767_225_600 + 23 * 3600)
        /// Seconds the host's clock is ahead of it.
        var ahead: Int64 = 0
        var isServerUp = true
        var random = SeededRandom(stream: "year")
        var dropped = 0

        init() throws {
            main = try LifecycleFixture(points: 0)
            main.instance.workers = 1
        }

        var context: JobContext { main.context }

        func passDay() {
            server = server.adding(seconds: SimulatedYearTests.day)
            main.clock.set(server.adding(seconds: ahead))
        }

        /// Takes the day's backup: a page changes, and the point gets its terms.
        func backUp(_ number: Int) throws {
            let instance = main.instance
            instance.files["base/5/\(number % 7)"] = TarMaker.File(random.bytes(8192))
            let found = try Policies.found(context, PolicyName(checking: main.record().policy))
            let points = try main.points()
            let point = try instance.backUp(after: points.last) { point in
                point.trigger = .scheduled
                point.consistentAt = server
                point.startLSN = LSN(UInt64(number + 2) << 24 + 0x28)
                point.stopLSN = LSN(UInt64(number + 2) << 24 + 0x100)
                point.finishedAt = main.clock.now
                let (stamp, expiresAt) = try found.policy.stamp(
                    point,
                    others: [],
                    revision: found.revision,
                    zone: UTCRules()
                )
                point.policy = stamp
                point.expiresAt = expiresAt
            }
            let kept = Int64(found.policy.retentionDays) * SimulatedYearTests.day
            account.entries[point.id] = Account.Entry(
                expiresAt: max(server, main.clock.now).adding(seconds: kept),
                consistentAt: server,
                files: instance.files
            )
        }

        func setRetention(_ days: Int) throws {
            let change = try PolicyChange(context, policy: .standard) { $0.retentionDays = days }
            _ = try change.apply(token: change.look().token)
        }

        func setState(_ state: InstanceRecord.State) throws {
            let records = main.instance.vault.instances(clock: main.clock)
            _ = try records.change(main.name.description) { $0.state = state }
        }

        /// Prunes, and compares what is left with the account.
        func prune(_ number: Int) throws {
            let report = try main.prune()
            #expect(report.failed.isEmpty)
            // Time has come for what both the host and the server have seen come.
            let heard = account.entries.values.map(\.consistentAt).max() ?? server
            if try main.record().state == .active {
                dropped += account.expire(min(main.clock.now, heard)).count
            }
            #expect(try main.points() == account.entries.keys.sorted(), "day \(number)")
        }

        /// Reads points back, page by page.
        func readBack(_ number: Int) throws {
            let ids = account.entries.keys.sorted()
            for id in [ids.first, ids.last, ids.randomElement(using: &random)].compactMap({ $0 }) {
                let files = account.entries[id]?.files ?? [:]
                #expect(try main.instance.difference(of: id, from: files) == nil, "day \(number)")
            }
        }
    }

    @Test func `row 21, 22, 25, 78: a year in which nothing goes early or late`() throws {
        let year = try Year()
        var hold: Hold?
        for number in 0..<365 {
            year.passDay()
            switch number {
            case 40:
                let point = try #require(year.account.entries.keys.min())
                hold = try Holds.add(
                    year.context,
                    year.main.record(),
                    .point(point),
                    title: "case 4711"
                ).hold
                year.account.held = [point]
            case 60: try year.setRetention(30)
            case 120: try year.setRetention(7)
            // The server is down for three weeks, and nothing of it expires.
            case 150: year.isServerUp = false
            case 171: year.isServerUp = true
            case 200: try year.setState(.stoppedForever)
            case 230: try year.setState(.active)
            case 250:
                _ = try Holds.release(year.context, try #require(hold).id.description)
                year.account.held = []
            // The host's clock jumps ahead for a day, and is behind for some.
            case 280: year.ahead = 400 * Self.day
            case 281: year.ahead = 0
            case 300: year.ahead = -30 * Self.day
            case 303: year.ahead = 0
            default: break
            }
            year.main.clock.set(year.server.adding(seconds: year.ahead))
            // A point that claims to come from next year would count as the newest by its id.
            let isTaken = try year.main.record().state == .active && year.ahead == 0
            if year.isServerUp, isTaken { try year.backUp(number) }
            try year.prune(number)
            if number % 60 == 0 { try year.readBack(number) }
        }
        #expect(year.dropped > 280, "\(year.dropped)")
        #expect(try year.main.instance.damage() == [])
        try year.readBack(365)
    }
}
