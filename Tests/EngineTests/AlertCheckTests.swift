import Domain
import Engine
import Platform
import Storage
import TestSupport
import Testing
import Vaulting

/// Alerts of a vault whose server is made up, on a clock where weeks can pass.
struct AlertCheckTests {
    /// What channels were brought, and whether they take it.
    private final class Receiver: Sendable {
        private let got = Condition<[String]>([])

        var all: [String] { got.read { $0 } }

        func take(_ parcels: [AlertParcel]) -> [AlertBoard.Outcome] {
            got.change { got in
                got += parcels.map {
                    "\($0.channel.name): \($0.notice.event.rawValue) \($0.notice.alert)"
                }
            }
            return parcels.map { _ in .delivered }
        }
    }

    private struct Killed: Error {}

    private let fixture: LifecycleFixture
    private let receiver = Receiver()

    init() throws {
        fixture = try LifecycleFixture()
        // The segment its points need: status judges by names.
        let segment = "wal/00000001/000000010000000000000000"
        try fixture.instance.store.put(
            ObjectName(VaultNames.prefix(SyntheticInstance.system) + segment),
            [0]
        )
    }

    private func addChannel(_ name: String, _ severity: AlertSeverity = .warning) throws {
        try Channels.add(
            fixture.context,
            ChannelRecord(
                name: name,
                means: .exec,
                target: "true",
                minSeverity: severity,
                createdAt: fixture.clock.now,
                by: "test"
            )
        )
    }

    @discardableResult
    private func check() throws -> AlertCheck.Report {
        try AlertCheck(fixture.context) { receiver.take($0) }.run()
    }

    private func end(_ state: JobState, _ code: ErrorCode? = nil, skip: String? = nil) throws {
        var record = JobRecord(
            id: JobStore.newID(at: fixture.clock.now),
            kind: .backup,
            instance: fixture.name,
            trigger: "scheduled",
            state: state
        )
        record.endedAt = fixture.clock.now
        record.errorCode = code?.name
        record.message = code.map { "it failed: \($0.name)" }
        record.skipReason = skip
        _ = try JobStore(fixture.instance.vault).end(record)
    }

    private func open() throws -> [String] { try Alerts.list(fixture.context).map(\.id) }

    @Test func `two hosts that look at the same moment tell it once`() throws {
        try check()
        try addChannel("chat")
        try check()
        let before = receiver.all.count
        try end(.failed, .storeFull)
        // Just before one writes down what it has seen, the other looks, writes, and tells.
        let hasCut = Condition(false)
        let (context, receiver) = (fixture.context, receiver)
        fixture.instance.store.setFaults { call in
            guard call.operation == .putIfAbsent, call.name.hasPrefix("r/alert/board/"),
                !hasCut.change({ cut in
                    defer { cut = true }
                    return cut
                })
            else { return nil }
            _ = try? AlertCheck(context) { receiver.take($0) }.run()
            return nil
        }
        try check()
        fixture.instance.store.setFaults(nil)
        #expect(hasCut.read { $0 })
        #expect(receiver.all.dropFirst(before) == ["chat: opened backup-failed/main"])
    }

    @Test(arguments: [true, false])
    func `a damaged board is told and silences nothing`(isOlderReadable: Bool) throws {
        try check()
        try addChannel("chat")
        try check()
        try end(.failed, .storeFull)
        try check()
        let store = fixture.instance.store
        let revisions = try store.list(prefix: "r/alert/board/").map(\.name)
        for name in isOlderReadable ? revisions.suffix(1) : revisions[...] {
            var bytes = try #require(store.peek(name))
            bytes[bytes.count / 2] ^= 1
            store.overwrite(name, with: bytes)
        }
        #expect(throws: PgkeepError.self) { try open() }
        let before = receiver.all.count
        try end(.failed, .storeFull)
        try check()
        let told = receiver.all.dropFirst(before)
        #expect(told.contains("chat: opened guard-changed/vault"))
        #expect(try open().contains("backup-failed/main"))
        // It is whole again: nothing is said twice, and changes are made.
        let after = receiver.all.count
        try check()
        #expect(receiver.all.count == after)
    }

    @Test func `the damaged record of an instance is told, and resolves nothing of it`() throws {
        try check()
        try addChannel("chat")
        try end(.failed, .storeFull)
        try check()
        let open = try open()
        #expect(open.contains("backup-failed/main"))
        let store = fixture.instance.store
        let name = try #require(try store.list(prefix: "r/instance/main/").last?.name)
        let sound = try #require(store.peek(name))
        var bytes = sound
        bytes[bytes.count / 2] ^= 1
        store.overwrite(name, with: bytes)
        try check()
        #expect(try Set(self.open()) == Set(open + ["damage-found/main"]))
        #expect(receiver.all.contains("chat: opened damage-found/main"))
        store.overwrite(name, with: sound)
        fixture.clock.advance(seconds: 3600)
        try check()
        #expect(try !self.open().contains("damage-found/main"))
    }

    @Test func `what was claimed by one that dies is told by another`() throws {
        try check()
        try addChannel("chat")
        try check()
        try end(.failed, .storeFull)
        #expect(throws: Killed.self) {
            _ = try AlertCheck(fixture.context) { _ in throw Killed() }.run()
        }
        let before = receiver.all.count
        try check()
        #expect(receiver.all.count == before, "it may still be at it")
        fixture.clock.advance(seconds: Double(AlertBoard.claimSeconds) + 1)
        try check()
        #expect(receiver.all.dropFirst(before) == ["chat: opened backup-failed/main"])
    }

    @Test func `a week without the server is one notification, and its return another`() throws {
        try addChannel("chat", .info)
        try check()
        let lease = try Lease.begin(
            fixture.instance.vault,
            SyntheticInstance.system,
            kind: .stream,
            clock: fixture.clock,
            beatSeconds: nil
        )
        func tell(isConnected: Bool) throws {
            var status = StreamStatus(timeline: 1, at: LSN(0x100), time: fixture.clock.now)
            status.isConnected = isConnected
            status.caughtUpAt = fixture.clock.now
            try lease.setStatus(status)
            try lease.beat()
        }
        try tell(isConnected: true)
        try end(.completed)
        try check()
        let before = receiver.all.count
        for hour in 0..<(7 * 24) {
            fixture.clock.advance(seconds: 1800)
            try tell(isConnected: false)
            try check()
            fixture.clock.advance(seconds: 1800)
            try tell(isConnected: false)
            if hour % 24 == 12 { try end(.failed, .sourceUnreachable) }
            if hour % 24 == 13 { try end(.skipped, skip: "server-stopped") }
            try check()
        }
        #expect(receiver.all.dropFirst(before) == ["chat: opened source-away/main"])
        try tell(isConnected: true)
        try end(.completed)
        try check()
        fixture.clock.advance(seconds: 120)
        try tell(isConnected: true)
        try check()
        #expect(receiver.all.dropFirst(before + 1).contains("chat: resolved source-away/main"))
        try lease.end()
    }

    @Test func `row 26: a quota that is passed is an alert, and no backup fails for it`() throws {
        // Of a source so small the records alone take more than it.
        try Quota.set(fixture.context, fixture.record(), to: .bytes(1 << 40))
        try check()
        try Quota.set(fixture.context, fixture.record(), to: .bytes(1))
        let changes = try check().changes.map(\.alert.id)
        let status = try StatusReport.read(fixture.context).instances.first
        #expect(changes.contains("quota-exceeded/main"), "\(changes) of \(status as Any)")
        try end(.completed)
        try check()
        #expect(try open().contains("quota-exceeded/main"))
        #expect(try !open().contains("backup-failed/main"))
        try Quota.set(fixture.context, fixture.record(), to: .bytes(1 << 40))
        try check()
        fixture.clock.advance(seconds: 301)
        try check()
        #expect(try !open().contains("quota-exceeded/main"))
    }

    @Test func `deeds against backups are told whatever is muted or disabled`() throws {
        try addChannel("chat", .critical)
        try check()
        let before = receiver.all.count
        _ = try Channels.mute(
            fixture.context,
            AlertMute(
                from: fixture.clock.now,
                to: fixture.clock.now.adding(seconds: 86400),
                by: "test"
            )
        )
        fixture.refuses(.refused, "security") {
            try Alerts.setEnabled(fixture.context, "data-deletion", false)
        }
        _ = try Immutability.set(fixture.context, .enabled)
        _ = try Immutability.set(fixture.context, .off)
        try fixture.delete()
        try check()
        #expect(
            Set(receiver.all.dropFirst(before)) == [
                "chat: opened channels-changed/vault", "chat: opened guard-changed/vault",
                "chat: opened data-deletion/main",
            ]
        )
        // Two days before nothing of it is left, and when it is so.
        fixture.advance(days: 12.5)
        try check()
        #expect(receiver.all.contains("chat: opened purge-soon/main"))
        fixture.advance(days: 2)
        try fixture.prune()
        try check()
        #expect(receiver.all.contains("chat: opened data-purged/main"))
    }

    @Test func `a failed backup opens, is acknowledged, and resolves with the next that succeeds`()
        throws
    {
        try check()
        try end(.failed, .storeFull)
        try check()
        let known = try Alerts.acknowledge(fixture.context, "backup-failed", comment: "on it")
        #expect(known.state == .acknowledged && known.comment == "on it")
        // Days later, with its record out of sight, it has failed all the same.
        fixture.advance(days: 3)
        try check()
        #expect(try open().contains("backup-failed/main"))
        try end(.completed)
        try check()
        #expect(try !open().contains("backup-failed/main"))
        fixture.refuses(.refused, "not open") {
            try Alerts.acknowledge(fixture.context, "backup-failed/main", comment: nil)
        }
    }
}
