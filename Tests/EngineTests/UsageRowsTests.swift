import Domain
import FoundationEssentials
import Platform
import TestSupport
import Testing

/// What a protected server takes in the vault, as the operator is told.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct UsageRowsTests {
    private struct Usage: Decodable {
        struct Cost: Decodable {
            var usedBytes: UInt64
            var quotaBytes: UInt64
            var excessBytes: UInt64
            var costPerMonth: Double?
        }

        struct Hour: Decodable {
            var walBytes: UInt64
        }

        struct Instance: Decodable {
            var name: String
            var state: String?
            var deprovisioned: Bool
            var baseBytes: UInt64
            var walBytes: UInt64
            var metaBytes: UInt64
            var totalBytes: UInt64
            var sourceBytes: UInt64
            var newestPointBytes: UInt64
            var growthPerDay: UInt64
            var cost: Cost
            var hours: [Hour]
        }

        var instances: [Instance]
        var baseBytes: UInt64
        var walBytes: UInt64
        var metaBytes: UInt64
        var totalBytes: UInt64
    }

    private struct Forecast: Decodable {
        struct Instance: Decodable {
            var name: String
            var policy: String?
            var retentionDays: Int
            var bytes: UInt64
        }

        var instances: [Instance]
        var retentionDays: Int?
        var totalBytes: UInt64
        var freeBytes: UInt64?
        var daysLeft: UInt64?
        var fits: Bool?
    }

    @Test func `row 26, 29, 30, 31, 76: usage, quota, growth and metrics of a live server`() throws
    {
        let major = try #require(PostgresInstallation.testedMajors.last)
        try ProtectedServer.with(
            PostgresInstallation.required(major),
            prepare: { try $0.pgbenchInit() }
        ) { protected in
            let before = try usage(protected)
            try sumsUp(before, protected)

            // Row 30: writing lets WAL grow, whatever the size of the database.
            try protected.server.runPgbench(transactions: 300)
            try protected.catchUp()
            let after = try usage(protected)
            try sumsUp(after, protected)
            #expect(after.walBytes > before.walBytes)
            #expect(after.baseBytes == before.baseBytes)
            let hours = after.instances.first?.hours.reduce(0) { $0 + $1.walBytes }
            #expect(hours == after.walBytes)
            #expect(try #require(after.instances.first).growthPerDay > 0)

            try checkForecast(protected, after)
            try checkQuota(protected)
            try checkMetrics(protected)
        }
    }

    @Test func `row 33: a server that is stopped takes what it took, and says so in words, too`()
        throws
    {
        try ProtectedServer.with(.newest()) { protected in
            try protected.server.psql("create table t as select generate_series(1, 9999)")
            try protected.catchUp()
            try protected.succeed(["vault", "prune"])
            let before = try #require(try usage(protected).instances.first)
            #expect(before.baseBytes > 0 && before.walBytes > 0 && !before.deprovisioned)
            // Nothing can come of it any more, not even its last WAL.
            try protected.server.stop()
            let stop = ["instance", "stop", "main", "--retain", "forever", "--yes"]
            try protected.succeed(stop + ["--reason", "decommissioned"])
            for isPruned in [false, true] {
                if isPruned { try protected.succeed(["vault", "prune"]) }
                let after = try #require(try usage(protected).instances.first)
                #expect(after.baseBytes == before.baseBytes && after.walBytes == before.walBytes)
                #expect(after.state == "stopped-forever" && after.deprovisioned)
                let words = try protected.succeed(["vault", "usage"]).errors
                #expect(words.contains("main (stopped-forever)"), "\(words)")
            }
        }
    }

    @Test func `row 26: a passed quota is an open alert until it is raised, and no failed backup`()
        throws
    {
        struct Alerts: Decodable {
            struct Alert: Decodable {
                var id: String
                var state: String
            }
            var alerts: [Alert]
        }
        struct Jobs: Decodable {
            struct Job: Decodable { var state: String }
            var jobs: [Job]
        }
        try ProtectedServer.with(.newest()) { protected in
            let clock = try ShiftedClock(in: protected.scratch)
            protected.use(clock.variables)
            func states() throws -> [String: String] {
                try protected.succeed(["alert", "check"])
                let all = try protected.ask(["alert", "list", "--all"], as: Alerts.self).alerts
                return Dictionary(uniqueKeysWithValues: all.map { ($0.id, $0.state) })
            }
            try protected.succeed(["vault", "quota", "main", "1kB"])
            #expect(try protected.backup().state == "completed")
            let passed = try states()
            #expect(passed["quota-exceeded/main"] == "open", "\(passed)")
            #expect(passed["backup-failed/main"] == nil)
            let jobs = try protected.ask(["job", "list", "--kind", "backup"], as: Jobs.self).jobs
            #expect(jobs.count == 2 && jobs.allSatisfy { $0.state.hasPrefix("completed") })
            try protected.succeed(["vault", "quota", "main", "100TiB"])
            _ = try states()
            // It must have been gone for five minutes.
            try clock.advance(seconds: 301)
            #expect(try states()["quota-exceeded/main"] == "resolved")
        }
    }

    private func usage(_ protected: ProtectedServer) throws -> Usage {
        try protected.ask(["vault", "usage", "--price", "0.5"], as: Usage.self)
    }

    /// Row 29: the parts are the whole, and the whole is what the file system says; the store's
    /// reserve for a full disk is no object.
    private func sumsUp(_ usage: Usage, _ protected: ProtectedServer) throws {
        let text = try CommandRunner().check(
            "/usr/bin/find",
            [protected.vault, "-type", "f", "!", "-name", "reserve", "-printf", "%s\\n"]
        )
        let sizes = text.split(separator: "\n").compactMap { UInt64($0) }
        #expect(usage.totalBytes == sizes.reduce(0, +))
        #expect(usage.baseBytes + usage.walBytes + usage.metaBytes == usage.totalBytes)
        for instance in usage.instances {
            #expect(
                instance.baseBytes + instance.walBytes + instance.metaBytes == instance.totalBytes
            )
            #expect(instance.cost.usedBytes == instance.totalBytes)
            #expect(instance.cost.quotaBytes == instance.sourceBytes)
            #expect(instance.state == "active")
        }
    }

    /// Row 31: never less for more days or more copies; never less than there is already.
    private func checkForecast(_ protected: ProtectedServer, _ usage: Usage) throws {
        func total(_ days: Int, _ copies: Int) throws -> UInt64 {
            let words = ["vault", "forecast", "--retention", "\(days)", "--copies", "\(copies)"]
            return try protected.ask(words, as: Forecast.self).totalBytes
        }
        let instance = try #require(usage.instances.first)
        #expect(try total(7, 1) == instance.newestPointBytes + 7 * instance.growthPerDay)
        #expect(try total(8, 1) > total(7, 1))
        #expect(try total(7, 2) == 2 * total(7, 1))
        let own = try protected.ask(["vault", "forecast"], as: Forecast.self)
        #expect(own.instances.map(\.policy) == ["default"] && own.retentionDays == nil)
        #expect(try own.totalBytes == total(7, 1) && own.fits == true)
        #expect(own.freeBytes.map { $0 / instance.growthPerDay } ?? 0 >= own.daysLeft ?? 1)
        try protected.succeed([
            "policy", "create", "archive", "--retention", "30", "--keep-monthly", "12",
            "--extended",
        ])
        let words = ["vault", "forecast", "--policy", "archive", "--instance", "main"]
        let archive = try protected.ask(words, as: Forecast.self)
        #expect(archive.instances.map(\.retentionDays) == [30])
        #expect(try archive.totalBytes >= total(30, 1))
        #expect(try protected.pgkeep(words + ["--retention", "9"]).exitCode == 64)
    }

    /// Row 26: a quota that is passed is said, and the backup is kept.
    private func checkQuota(_ protected: ProtectedServer) throws {
        try protected.succeed(["vault", "quota", ProtectedServer.name, "1kB"])
        let point = try protected.backup()
        #expect(point.state == "completed")
        #expect(point.warnings?.contains { $0.hasPrefix("quota-exceeded") } == true)
        #expect(try protected.points().map(\.id).contains(point.id))
        let instance = try #require(try usage(protected).instances.first)
        #expect(instance.cost.quotaBytes == 1000)
        #expect(instance.cost.excessBytes == instance.totalBytes - 1000)
        let cost = Double(instance.cost.excessBytes) / Double(1 << 30) * 0.5
        #expect(instance.cost.costPerMonth.map { abs($0 - cost) < 1e-9 } == true)
        let log = try protected.succeed(["activity", "list", "--json"]).output
        #expect(log.contains("quota-set") && log.contains("100%") && log.contains("1000"))
        let status = try protected.succeed(["status"])
        #expect(status.errors.contains("pgkeep vault quota main"))

        try protected.succeed(["vault", "quota", ProtectedServer.name, "100TiB"])
        #expect(try protected.backup().warnings?.contains { $0.hasPrefix("quota") } == false)
    }

    /// Row 76: a scrape holds the bytes each instance uses.
    private func checkMetrics(_ protected: ProtectedServer) throws {
        let usage = try #require(try usage(protected).instances.first)
        let lines = try protected.succeed(["metrics"]).output.split(separator: "\n")
        for (kind, bytes) in [
            ("base", usage.baseBytes), ("wal", usage.walBytes), ("meta", usage.metaBytes),
        ] {
            let label = "{name=\"main\",kind=\"\(kind)\"}"
            #expect(lines.contains("pgkeep_vault_used_bytes\(label) \(bytes)"))
        }
        let form = /[a-z_]+(\{[^{}]*\})? [-+.e0-9]+/
        for line in lines where !line.hasPrefix("#") {
            #expect(line.wholeMatch(of: form) != nil, "\(line)")
        }
    }
}
