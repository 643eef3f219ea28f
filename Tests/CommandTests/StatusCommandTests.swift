import FoundationEssentials
import Platform
import TestSupport
import Testing

/// Status, doctor, metrics, forecasts and the error catalogue, as far as they need no server.
struct StatusCommandTests {
    private struct Explanation: Decodable {
        var code: String
        var exit: Int32
        var cause: String
        var action: String
    }

    private struct Explanations: Decodable {
        var errors: [Explanation]
    }

    private struct Doctor: Decodable {
        struct Finding: Decodable {
            var subject: String
            var check: String
            var outcome: String
            var what: String
            var fix: String
        }

        var findings: [Finding]
        var failures: Int32
    }

    private struct Forecast: Decodable {
        struct Instance: Decodable {
            var free_days: Int?
            var bytes: UInt64
        }

        var instances: [Instance]
        var total_bytes: UInt64
    }

    @Test func `row 101: a failure's code is explained by errors explain`() throws {
        try CommandLineFixture.with { program in
            let failed = try program.run("instance", "list", "--vault", "/nowhere", "--json")
            let code = try failed.document(FailureDocument.self).error.code
            let told = try program.run("errors", "explain", code, "--json")
                .document(Explanation.self)
            #expect(told.code == code && told.exit == failed.exitCode)
            #expect(!told.cause.isEmpty && !told.action.isEmpty)
            let all = try program.run("errors", "list", "--json").document(Explanations.self)
            #expect(all.errors.contains { $0.code == code })
            let unknown = try program.run("errors", "explain", "no.such")
            #expect(unknown.exitCode == 4)
            #expect(unknown.errorLines.last?.contains("pgkeep errors list") == true)
        }
    }

    @Test func `row 28: the calculator needs no vault`() throws {
        try CommandLineFixture.with { program in
            let words = ["vault", "forecast", "--size", "250GiB", "--per-day", "25GiB", "--json"]
            let ten = try program.runner.pgkeep(words).document(Forecast.self)
            #expect(ten.instances.map(\.free_days) == [10])
            let week = ten.total_bytes
            #expect(week == 7 * 25 << 30)
            let more = try program.runner.pgkeep(words + ["--retention", "35", "--copies", "2"])
                .document(Forecast.self)
            #expect(more.total_bytes == 2 * 35 * 25 << 30)
        }
    }

    @Test func `an empty vault has a status, metrics, and a sound doctor`() throws {
        try CommandLineFixture.with { program in
            let (vault, key) = try program.vault()
            let named = ["PGKEEP_VAULT": vault, "PGKEEP_KEY_FILE": key]
            let status = try program.run("status", environment: named)
            #expect(status.exitCode == 0)
            #expect(status.errors.contains("pgkeep instance add"))
            let metrics = try program.run("metrics", environment: named)
            #expect(metrics.exitCode == 0)
            #expect(metrics.output.contains("\npgkeep_vault_bytes{vault=\"\(vault)\"} "))
            #expect(metrics.output.hasPrefix("# HELP pgkeep_"))
            let doctor = try program.run("doctor", "--json", environment: named)
            #expect(doctor.exitCode == 0, "\(doctor.output)")
            let report = try doctor.document(Doctor.self)
            #expect(report.failures == 0)
            #expect(
                ["open", "write", "space"].allSatisfy { check in
                    report.findings.contains { $0.check == check && $0.outcome == "ok" }
                }
            )
            // One key file is one lost file away from losing everything.
            let keys = report.findings.first { $0.check == "keys" }
            #expect(keys?.outcome == "warning")
            #expect(keys?.fix.contains("vault key add") == true)
        }
    }

    @Test func `a vault that does not open is the doctor's first finding`() throws {
        try CommandLineFixture.with { program in
            let (vault, _) = try program.vault()
            let (_, other) = try program.vault("other")
            let result = try program.run(
                "doctor",
                "--json",
                environment: ["PGKEEP_VAULT": vault, "PGKEEP_KEY_FILE": other]
            )
            #expect(result.exitCode == 1)
            let report = try result.document(Doctor.self)
            #expect(report.failures == 1)
            #expect(report.findings.map(\.check) == ["open"])
            #expect(report.findings.allSatisfy { !$0.fix.isEmpty })
        }
    }

    @Test func `metrics has no other format`() throws {
        try CommandLineFixture.with { program in
            let result = try program.run("metrics", "--json")
            #expect(result.exitCode == 64)
        }
    }
}
