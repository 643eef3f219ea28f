import Domain
import Engine
import Platform
import Storage
import TestSupport
import Testing
import Vaulting

/// Stop, delete, undelete, lock, purge, where no server is needed and weeks must pass.
struct LifecycleTests {
    @Test func `a stop keeps everything and says what is left on a server out of reach`() throws {
        let main = try LifecycleFixture()
        let points = try main.points()
        let outcome = try main.stop(.forever)
        #expect(outcome.instance.state == .stoppedForever)
        #expect(outcome.instance.stoppedAt == main.clock.now)
        let drop = "pg_drop_replication_slot('pgkeep_main')"
        #expect(outcome.warnings.contains { $0.contains(drop) })
        #expect(try main.points() == points)
        main.refuses(.refused, "stopped like this already") { try main.stop(.forever) }
        #expect(try main.stop(.policy).instance.state == .stoppedPolicy)
        let record = try main.record()
        main.refuses(.refused, "stopped-policy", "instance resume main") {
            try BackupJob(context: main.context, instance: record, options: BackupOptions()).run()
        }
        main.refuses(.refused, "instance resume main") {
            let options = WALStreamOptions()
            return try WALStreamJob(context: main.context, instance: record, options: options).run()
        }
    }

    @Test func `row 58: after the purge nothing is left, and nothing was lost before it`() throws {
        let main = try LifecycleFixture()
        let points = try main.points()
        try main.delete()
        main.refuses(.notFound, "instance undelete main") {
            try Instances.find(main.context, main.name)
        }
        #expect(try Instances.list(main.context).isEmpty)
        main.advance(days: 13.9)
        #expect(try main.prune().trash.isEmpty)
        #expect(try main.points() == points)
        main.advance(days: 0.2)
        let dry = try PruneJob(context: main.context, isDry: true).run()
        #expect(dry.trash.map(\.fate) == [.due])
        #expect(try main.points() == points)
        let report = try main.prune()
        #expect(report.trash.map(\.fate) == [.purged])
        #expect((report.trash.first?.bytes ?? 0) > 0)
        main.refuses(.notFound, "no instance") { try Instances.findAny(main.context, main.name) }
        let left = main.instance.store.names.filter { $0.text.hasPrefix("c/") }
        #expect(left.allSatisfy { $0.text.contains("/gone/") || $0.text.contains("/claim/") })
        #expect(try VaultUsage(main.context.vault).instances.isEmpty)
        #expect(try PointStore.systems(main.context.vault).isEmpty)
        #expect(try main.prune().trash.isEmpty)
        let damage = try VaultCheck(main.context.vault, level: .decode).run().damage
        #expect(damage.isEmpty, "\(damage)")
    }

    @Test func `a purge killed at any step is brought to its end by the next one`() throws {
        var steps = 0
        for skipped in 0... {
            let main = try LifecycleFixture(points: 2)
            try main.delete()
            main.advance(days: 15)
            main.instance.store.failOnce(after: skipped, .refuse) { $0.changes }
            do {
                let report = try main.prune()
                if report.trash.first?.fate == .purged, steps > 0 { break }
            } catch let error as PgkeepError where error.code == .storeUnreachable {
                steps += 1
            }
            main.instance.store.setFaults(nil)
            // Once there is no way back, no way is left.
            if try main.record().trash?.purgingSince != nil {
                main.refuses(.refused, "for good") {
                    try UndeleteInstance(context: main.context, name: main.name).run()
                }
            }
            #expect(try main.prune().trash.map(\.fate) == [.purged])
            #expect(try PointStore.systems(main.context.vault).isEmpty)
        }
        #expect(steps > 10)
    }

    @Test func `a backup that sleeps through the purge brings nothing back`() throws {
        let main = try LifecycleFixture(points: 1)
        let vault = main.context.vault
        let session = try BackupSession.begin(
            vault,
            SyntheticInstance.system,
            clock: main.clock
        )
        let outcome = try SyntheticStream.take(
            ["base/5/1": TarMaker.File([1, 2, 3])].asPaths,
            into: session,
            workers: 1
        )
        // Without lease and packs nothing would tell the purge of it.
        try waitUntil("its packs are there") {
            try !vault.store.list(
                prefix: VaultNames.packPrefix(SyntheticInstance.system, session: session.id)
            ).isEmpty
        }
        try main.delete()
        main.advance(days: 15)
        // Its process lives, as far as can be seen: the purge waits for it.
        let waiting = try main.prune()
        #expect(waiting.trash.map(\.fate) == [.waiting])
        #expect(waiting.trash.first?.reason.contains("a backup") == true)
        session.lease.abandon()
        try vault.store.delete(VaultNames.lease(SyntheticInstance.system, session.id))
        #expect(try main.prune().trash.map(\.fate) == [.purged])
        _ = try? session.commit(
            SyntheticStream.point(session.id),
            catalog: outcome.catalog,
            attachments: outcome.attachments
        )
        #expect(try main.points().isEmpty)
        try main.prune()
        #expect(try PointStore.systems(vault).isEmpty)
    }

    @Test func `out of the trash everything is as before, but stopped`() throws {
        let main = try LifecycleFixture()
        let points = try main.points()
        try main.delete()
        #expect(try main.record().trash?.formerState == .active)
        main.refuses(.refused, "undelete main") {
            try ResumeInstance(context: main.context, name: main.name).run()
        }
        main.refuses(.refused, "undelete main") { try main.stop(.forever) }
        main.advance(days: 13)
        let back = try UndeleteInstance(context: main.context, name: main.name).run()
        #expect(back.state == .stoppedForever && back.trash == nil)
        main.advance(days: 30)
        #expect(try main.prune().trash.isEmpty)
        #expect(try main.points() == points)
        main.refuses(.refused, "is not deleted") {
            try UndeleteInstance(context: main.context, name: main.name).run()
        }
    }

    @Test func `row 59: a lock keeps from deleting and stopping until it is taken off`() throws {
        for level in InstanceRecord.LockLevel.allCases {
            let main = try LifecycleFixture()
            try LockInstance(context: main.context, name: main.name, level: level).run()
            let lifted = "instance unlock main"
            main.refuses(.refused, level.rawValue, lifted) { try main.stop(.policy) }
            main.refuses(.refused, level.rawValue, lifted) { try main.delete() }
            main.refuses(.refused, lifted) { try DeletionPlan.make(main.context, main.name) }
            let record = try main.record()
            let point = try #require(main.points().first)
            main.refuses(.refused, lifted) {
                let text = point.description
                return try PointDeletion(context: main.context, instance: record, point: text).run()
            }
            main.refuses(.refused, lifted) {
                try Guards.check(main.context, record, .shortenPolicy)
            }
            if level == .readonly {
                main.refuses(.refused, lifted) { try Guards.check(main.context, record, .change) }
            } else {
                try Guards.check(main.context, record, .change)
            }
            #expect(try main.points().count == 3)
            try LockInstance(context: main.context, name: main.name, level: nil).run()
            _ = try PointDeletion(
                context: main.context,
                instance: try main.record(),
                point: point.description
            ).run()
            try main.delete()
            #expect(try main.record().state == .deleted)
        }
    }

    @Test func `an immutable vault lets nothing go early, and its lock cannot be undone`() throws {
        let main = try LifecycleFixture()
        main.refuses(.refused, "enable") { try Immutability.set(main.context, .locked) }
        try Immutability.set(main.context, .enabled)
        let point = try #require(main.points().first).description
        let lifted = "vault immutability disable"
        main.refuses(.refused, "immutable", lifted) { try main.delete() }
        main.refuses(.refused, lifted) {
            let record = try main.record()
            return try PointDeletion(context: main.context, instance: record, point: point).run()
        }
        main.refuses(.refused, lifted) { try Guards.check(main.context, nil, .shortenPolicy) }
        // What is in the trash already stays there.
        try Immutability.set(main.context, .off)
        try main.delete()
        try Immutability.set(main.context, .enabled)
        main.advance(days: 20)
        #expect(try main.prune().trash.map(\.fate) == [.waiting])
        try Immutability.set(main.context, .locked)
        main.advance(days: 2.9)
        try Immutability.set(main.context, .off)
        try Immutability.set(main.context, .enabled)
        try Immutability.set(main.context, .locked)
        main.advance(days: 3.1)
        main.refuses(.refused, "locked for good") { try Immutability.set(main.context, .off) }
        #expect(try main.prune().trash.map(\.fate) == [.waiting])
        #expect(try main.points().count == 3)
    }

    @Test func `row 100: the token of a plan is good once, and for what it counted`() throws {
        let main = try LifecycleFixture()
        func delete(_ token: String) throws -> DeleteInstance.Outcome {
            var options = DeleteInstance.Options(confirmedName: "main", reason: .cost)
            options.token = token
            options.comment = "too dear"
            return try DeleteInstance(context: main.context, name: main.name, options: options)
                .run()
        }
        main.refuses(.refused, "--plan") { try delete("0000000000000000") }
        let first = try DeletionPlan.make(main.context, main.name)
        #expect(first.points == 3 && first.bytes > 0)
        let second = try DeletionPlan.make(main.context, main.name)
        main.refuses(.refused, "last plan") { try delete(first.token) }
        main.advance(days: 1)
        main.refuses(.refused, "hour is over") { try delete(second.token) }
        let third = try DeletionPlan.make(main.context, main.name)
        _ = try main.instance.backUp(after: main.points().last)
        main.refuses(.refused, "other recovery points") { try delete(third.token) }
        let last = try DeletionPlan.make(main.context, main.name)
        let outcome = try delete(last.token)
        #expect(outcome.instance.trash?.reason == .cost)
        #expect(outcome.instance.trash?.comment == "too dear")
        _ = try UndeleteInstance(context: main.context, name: main.name).run()
        main.refuses(.refused, "used") { try delete(last.token) }
        #expect(try main.record().state == .stoppedForever)
    }

    @Test func `a hold keeps an instance from the trash, and in the trash from the purge`() throws {
        let main = try LifecycleFixture()
        let point = try #require(main.points().first)
        let hold = try Holds.add(
            main.context,
            main.record(),
            .point(point),
            title: "a case in court"
        ).hold
        main.refuses(.refused, "a case in court", "hold release") { try main.delete() }
        _ = try Holds.release(main.context, hold.id.description)
        try main.delete()
        let late = try Holds.add(
            main.context,
            main.record(),
            .point(point),
            title: "another one"
        ).hold
        main.advance(days: 15)
        #expect(try main.prune().trash.map(\.fate) == [.waiting])
        #expect(try main.points().count == 3)
        _ = try Holds.release(main.context, late.id.description)
        #expect(try main.prune().trash.map(\.fate) == [.purged])
    }

    @Test func `a clock that jumps ahead purges nothing before it is believed`() throws {
        let main = try LifecycleFixture()
        try main.delete()
        try main.prune()
        // Another machine, where nobody has seen the days pass.
        let jumped = ManualClock(main.clock.now.adding(seconds: 40 * 86400))
        let elsewhere = JobContext(vault: main.context.vault, clock: jumped)
        #expect(try PruneJob(context: elsewhere).run().trash.isEmpty)
        #expect(try main.points().count == 3)
        let trusted = try PruneJob(context: elsewhere, trustsClock: true).run()
        #expect(trusted.trash.map(\.fate) == [.purged])
    }

    @Test func `every step is in the activity log`() throws {
        let main = try LifecycleFixture()
        try LockInstance(context: main.context, name: main.name, level: .delete).run()
        try LockInstance(context: main.context, name: main.name, level: nil).run()
        try main.stop(.policy)
        try main.delete()
        _ = try UndeleteInstance(context: main.context, name: main.name).run()
        try Immutability.set(main.context, .enabled)
        try Immutability.set(main.context, .off)
        try main.delete()
        main.advance(days: 15)
        try main.prune()
        let log = ActivityLog(main.context.vault, main.context.clock)
        let known = [
            "instance.lock", "instance.unlock", "instance.stop", "instance.delete",
            "instance.undelete", "vault.immutability", "vault.immutability", "instance.delete",
            "instance.purge",
        ]
        #expect(try log.list().map(\.action).filter { known.contains($0) } == known)
        #expect(try log.list().contains { $0.reason == "test" && $0.instance == main.name })
    }
}

extension [String: TarMaker.File] {
    fileprivate var asPaths: [[UInt8]: TarMaker.File] {
        [[UInt8]: TarMaker.File](uniqueKeysWithValues: map { (Array($0.key.utf8), $0.value) })
    }
}
