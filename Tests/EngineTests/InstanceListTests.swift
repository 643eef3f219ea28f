import Domain
import FoundationEssentials
import Platform
import Sealing
import Storage
import TestSupport
import Testing
import Vaulting

/// Instances as lists show them, made up in a vault without servers.
struct InstanceListTests {
    private struct Listed: Decodable {
        struct Instance: Decodable { var name: String }
        var instances: [Instance]
    }

    private func add(_ number: UInt64, _ name: String, to vault: Vault) throws {
        let created = Timestamp(seconds: 1_700_000_000)
        var record = try InstanceRecord(
            name: #require(InstanceName(name)),
            systemIdentifier: SystemIdentifier(7_000_000_000_000_000_000 + number),
            source: "host=/nonexistent",
            slot: nil,
            serverVersion: ServerVersion(number: 180_000),
            segmentSize: .standard,
            createdAt: created,
            labels: ["tier": number == 1 ? "web" : "data", "dc": "\(number)"]
        )
        if number == 2 { record.policy = "gold" }
        if number == 3 {
            record.state = .stoppedForever
            record.stopReason = .decommissioned
        }
        try vault.instances().create(name, record)
    }

    @Test func `row 81: instances are listed by state, policy and label`() throws {
        try ScratchDirectory.with { scratch in
            let path = scratch.file("vault")
            let secret = try KeyFile.create(scratch.file("key"))
            let vault = try Vault.create(
                store: FileStore.create(at: path),
                keySource: .keyFile(secret)
            )
            let runner = CommandRunner(environment: [
                "PGKEEP_VAULT": path, "PGKEEP_KEY_FILE": scratch.file("key"),
            ])
            for (number, name) in ["one", "two", "three"].enumerated() {
                try add(UInt64(number + 1), name, to: vault)
            }
            func list(_ words: String...) throws -> [String] {
                let result = try runner.pgkeep(["instance", "list", "--json"] + words)
                return try JSONDecoder().decode(Listed.self, from: Data(result.outputBytes))
                    .instances.map(\.name)
            }
            #expect(try list() == ["one", "three", "two"])
            #expect(try list("--state", "stopped-forever") == ["three"])
            #expect(try list("--state", "active", "--state", "stopped-forever").count == 3)
            #expect(try list("--state", "deprovisioned") == ["three"])
            #expect(try list("--state", "deprovisioned", "--state", "active").count == 3)
            #expect(try list("--policy", "gold") == ["two"])
            #expect(try list("--label", "tier=data") == ["three", "two"])
            #expect(try list("--label", "tier=data", "--label", "dc=2") == ["two"])
            #expect(try list("--label", "dc").count == 3)
            #expect(try list("--label", "tier=data", "--policy", "default") == ["three"])
            #expect(try list("--label", "none").isEmpty)
            let wrong = try runner.pgkeep(["instance", "list", "--state", "asleep"])
            #expect(wrong.exitCode == 64 && wrong.errors.contains("stopped-policy"))
        }
    }
}
