import Domain
import Platform
import TestSupport
import Testing
import Vaulting

struct ActivityLogTests {
    @Test func `every entry is bound to the one before`() throws {
        let wal = try WALFixture()
        let clock = ManualClock()
        let log = ActivityLog(wal.vault, clock)
        #expect(try log.verify().number == 0)
        for number in 1...5 {
            let entry = try log.append(
                action: "policy.changed",
                instance: InstanceName("main"),
                details: ["days": "\(number)", "source": "host=a password=hunter2"],
                reason: "audit",
                comment: "by hand"
            )
            #expect(entry.number == UInt64(number) && entry.actor == ActivityLog.actor)
            #expect(entry.details["source"] == "host=a password=***")
            clock.advance(seconds: 3600)
        }
        let entries = try log.list()
        #expect(entries.map(\.number) == [1, 2, 3, 4, 5])
        #expect(entries[0].previous == ActivityEntry.origin)
        #expect(Set(entries.map(\.previous)).count == 5)
        let recent = clock.now.adding(seconds: -7300)
        #expect(try log.list(since: recent).map(\.number) == [4, 5])
        let head = try log.verify()
        #expect(try log.verify(known: ActivityLog.Head(head.description)) == head)
    }

    @Test func `an entry changed, moved, removed or cut off is found`() throws {
        let wal = try WALFixture()
        let log = ActivityLog(wal.vault)
        var heads: [ActivityLog.Head] = []
        for number in 1...4 {
            try log.append(action: "action-\(number)")
            heads.append(try log.verify())
        }
        let names = (1...4).map { VaultNames.activity($0) }
        let kept = try names.map { try wal.store.get($0) }
        try wal.store.delete(names[1])
        #expect(try thrownCode { _ = try log.verify() } == .integrity)
        // The hole is not filled with another story: the next number follows the last.
        #expect(try log.append(action: "later").number == 5)
        #expect(try thrownCode { _ = try log.verify() } == .integrity)
        try wal.store.put(names[1], kept[2])
        #expect(try thrownCode { _ = try log.verify() } == .integrity)
        // Written anew with the vault's own key, it still is not what the next one followed.
        try wal.store.delete(names[1])
        for name in [names[2], names[3], VaultNames.activity(5)] { try wal.store.delete(name) }
        try log.append(action: "forged")
        for (name, bytes) in zip(names[2...], kept[2...]) { try wal.store.put(name, bytes) }
        #expect(try thrownCode { _ = try log.verify() } == .integrity)
        try wal.store.put(names[1], kept[1])
        #expect(try log.verify() == heads[3])
        try wal.store.delete(names[3])
        #expect(try log.verify() == heads[2], "a chain says nothing of its end")
        #expect(try thrownCode { _ = try log.verify(known: heads[3]) } == .integrity)
        #expect(try log.verify(known: heads[1]) == heads[2])
    }

    @Test func `a damaged entry keeps nobody from writing the next`() throws {
        let wal = try WALFixture()
        let log = ActivityLog(wal.vault)
        try log.append(action: "first")
        try wal.store.put(VaultNames.activity(1), [1, 2, 3])
        #expect(try log.append(action: "second").previous == "damaged")
        #expect(try thrownCode { _ = try log.verify() } == .integrity)
    }

    @Test func `writers at once find a place each`() throws {
        let wal = try WALFixture()
        let writers = (0..<6).map { number in
            Thread<Void>("writer-\(number)") {
                for round in 0..<5 {
                    try ActivityLog(wal.vault).append(action: "\(number)-\(round)")
                }
            }
        }
        for writer in writers { try writer.join() }
        let log = ActivityLog(wal.vault)
        #expect(try log.verify().number == 30)
        #expect(Set(try log.list().map(\.action)).count == 30)
    }

    @Test func `what frees a full disk is written down first`() throws {
        let wal = try WALFixture()
        let log = ActivityLog(wal.vault)
        wal.store.failOnce(.full) { $0.operation == .putIfAbsent }
        #expect(try thrownCode { try log.append(action: "none") } == .storeFull)
        #expect(try log.append(action: "delete").number == 1)
    }
}
