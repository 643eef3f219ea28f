import Domain
import Engine
import Logging
import Platform
import Storage
import TestSupport
import Testing
import Vaulting

/// What is no longer protected still takes space, still is counted, and is told apart.
struct StoppedUsageTests {
    private let instance: SyntheticInstance
    private let context: JobContext

    init() throws {
        var random = SeededRandom(stream: "row 33")
        instance = try SyntheticInstance()
        instance.files["base/5/1"] = TarMaker.File(random.bytes(40 * 8192))
        _ = try instance.backUp(after: nil)
        context = JobContext(
            vault: instance.vault,
            clock: instance.clock,
            log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        try context.vault.instances(clock: context.clock).create(
            "main",
            InstanceRecord(
                name: try InstanceName(checking: "main"),
                systemIdentifier: SyntheticInstance.system,
                source: "host=nowhere",
                slot: nil,
                serverVersion: ServerVersion(number: 180_000),
                segmentSize: .standard,
                createdAt: context.clock.now
            )
        )
    }

    private func change(_ body: (inout InstanceRecord) -> Void) throws {
        try context.vault.instances(clock: context.clock).change("main") { body(&$0) }
    }

    @Test(arguments: [InstanceRecord.State.stoppedForever, .stoppedPolicy, .deleted])
    func `row 33: a stopped instance takes what it took, and is flagged`(
        _ state: InstanceRecord.State
    ) throws {
        let before = try #require(try UsageReport.read(context).instances.first)
        #expect(before.state == "active" && !before.deprovisioned && before.totalBytes > 0)
        try change {
            $0.state = state
            $0.stopReason = .decommissioned
        }
        let report = try UsageReport.read(context, price: 1)
        let after = try #require(report.instances.first)
        #expect(after.state == state.rawValue)
        #expect(after.deprovisioned == (state != .deleted))
        #expect(after.totalBytes == before.totalBytes && after.baseBytes == before.baseBytes)
        #expect(after.cost.usedBytes == before.totalBytes)
        let stored = try instance.store.list(prefix: "").reduce(0) { $0 + $1.size }
        #expect(report.totalBytes == stored)
    }

    @Test func `row 33: what no record names any more is counted all the same`() throws {
        let before = try #require(try UsageReport.read(context).instances.first)
        let records = context.vault.instances(clock: context.clock)
        try records.remove(try #require(try records.read("main")))
        let after = try #require(try UsageReport.read(context).instances.first)
        #expect(after.totalBytes == before.totalBytes)
        #expect(after.state == nil && after.deprovisioned)
        #expect(after.name == SyntheticInstance.system.hex)
    }

    @Test func `status says how protection ended and what brings it back`() throws {
        let verbs = [
            "stopped-forever": "resume", "stopped-policy": "resume", "deleted": "undelete",
        ]
        for (state, verb) in verbs {
            try change {
                $0.state = InstanceRecord.State(rawValue: state) ?? .active
                $0.stoppedAt = context.clock.now
            }
            let report = try StatusReport.read(context)
            let status = try #require(report.instances.first)
            // Its made-up point has no WAL, so nothing of it could be restored.
            #expect(status.points == 0)
            #expect(status.state == (state == "deleted" ? .stopped : .notProtected))
            #expect(status.reasons.contains { $0.next == "pgkeep instance \(verb) main" })
            #expect(report.state == status.state)
        }
    }
}
