import TestSupport
import Testing

/// Policies on the command line; no server is needed for them.
struct PolicyTests {
    private struct Document: Decodable {
        var name: String
        var retention_days: Int
        var schedule: String?
        var allowed_hours: String?
    }

    private func with(_ body: ((String) throws -> CommandResult) throws -> Void) throws {
        try CommandLineFixture.with { program in
            let (vault, key) = try program.vault()
            let runner = program.runner.with(["PGKEEP_VAULT": vault, "PGKEEP_KEY_FILE": key])
            try body { try runner.pgkeep($0.split(separator: " ").map(String.init)) }
        }
    }

    @Test func `row 17, 18, 68: the default is 7 days and no time; 6 and 36 are refused`() throws {
        try with { run in
            let standard = try run("policy show default --json").document(Document.self)
            #expect(standard.retention_days == 7)
            #expect(standard.schedule == nil && standard.allowed_hours == nil)
            for (days, exit) in [(6, 64), (7, 0), (35, 0), (36, 64)] as [(Int, Int32)] {
                let result = try run("policy create days-\(days) --retention \(days) --json")
                #expect(result.exitCode == exit, "\(days): \(result.errors)")
            }
            let extended = try run("policy create long --retention 400 --extended")
            #expect(extended.exitCode == 0)
        }
    }

    @Test func `policies are made, changed, limited and deleted`() throws {
        try with { run in
            #expect(try run("policy show month").exitCode == 4)
            #expect(try run("policy create month --retention 30").exitCode == 0)
            #expect(try run("policy create month").exitCode == 3)
            #expect(try run("policy create default").exitCode == 3)
            #expect(try run("policy set month --time-zone Nowhere/Land").exitCode == 64)
            #expect(try run("policy set month --hours 22:00-06:00").exitCode == 0)
            let month = try run("policy show month --json").document(Document.self)
            #expect(month.allowed_hours == "22:00-06:00" && month.retention_days == 30)
            #expect(try run("policy limits --min 14 --max 35").exitCode == 3, "default is outside")
            #expect(try run("policy set default --retention 14").exitCode == 0)
            #expect(try run("policy limits --min 14 --max 35").exitCode == 0)
            #expect(try run("policy create short --retention 7").exitCode == 3)
            #expect(try run("policy limits --none").exitCode == 0)
            #expect(try run("policy create short --retention 7").exitCode == 0)
            #expect(try run("policy delete short").exitCode == 0)
            #expect(try run("policy delete default").exitCode == 0)
            #expect(try run("policy delete default").exitCode == 3)
            let list = try run("policy list")
            #expect(list.errors.contains("month") && list.errors.contains("default"))
            #expect(!list.errors.contains("short"))
        }
    }
}
