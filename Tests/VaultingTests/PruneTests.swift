import Domain
import Platform
import Storage
import TestSupport
import Testing
import Vaulting

@Suite struct PruneTests {
    private let system = SyntheticBackup.system

    @Test func `in any order of deletion all other points stay, and only what they need`() throws {
        for round in 0..<40 {
            var random = SeededRandom(stream: "orders \(round)")
            var vault = try PruneFixture()
            for number in 0..<5 {
                let parent = number == 0 ? nil : try vault.points().randomElement(using: &random)
                try vault.backup(&random, parent: parent)
            }
            let image = vault.store.names.map { ($0, vault.store.peek($0) ?? []) }
            for _ in 0..<6 {
                for name in vault.store.names { vault.store.lose(name) }
                for (name, bytes) in image { vault.store.overwrite(name, with: bytes) }
                for id in try vault.points().shuffled(using: &random).dropLast() {
                    try vault.delete(id)
                    if Bool.random(using: &random) { continue }
                    try vault.prune()
                    let (there, needed) = try vault.packs()
                    #expect(there == needed, "round \(round)")
                    #expect(try vault.wrong().isEmpty, "round \(round)")
                }
                try vault.prune()
                #expect(try vault.points().count == 1 && vault.wrong().isEmpty, "round \(round)")
                let (there, needed) = try vault.packs()
                #expect(there == needed, "round \(round)")
            }
        }
    }

    @Test func `killed before any of its changes, pruning harms nothing and is made good`() throws {
        var random = SeededRandom(stream: "killed pruning")
        var vault = try PruneFixture()
        for _ in 0..<4 { try vault.backup(&random) }
        let points = try vault.points()
        try vault.delete(points[0])
        try vault.delete(points[2])
        _ = try vault.killedSession(&random)
        vault.clock.advance(seconds: 4000)
        let image = vault.store.names.map { ($0, vault.store.peek($0) ?? []) }
        var allowed = 0
        while true {
            for name in vault.store.names { vault.store.lose(name) }
            for (name, bytes) in image { vault.store.overwrite(name, with: bytes) }
            let left = Condition(allowed)
            vault.store.setFaults { call in
                guard call.changes else { return nil }
                return left.change { left in
                    left -= 1
                    return left < 0 ? .refuse : nil
                }
            }
            let outcome = try? vault.prune()
            vault.store.setFaults(nil)
            #expect(try vault.points() == [points[1], points[3]])
            #expect(try vault.wrong().isEmpty, "killed before change \(allowed + 1)")
            try vault.prune()
            let (there, needed) = try vault.packs()
            #expect(
                there == needed && vault.store.names.allSatisfy { !$0.text.contains("/lease/") }
            )
            if outcome != nil { break }
            allowed += 1
        }
        #expect(allowed > 6)
    }

    @Test func `with nothing to do nothing is changed`() throws {
        var random = SeededRandom(stream: "nothing")
        var vault = try PruneFixture()
        for _ in 0..<3 { try vault.backup(&random) }
        try vault.delete(vault.points()[1])
        #expect(try vault.prune().hasDropped)
        let calls = vault.store.calls.count
        let outcome = try vault.prune()
        #expect(!outcome.hasDropped && outcome.warnings.isEmpty && outcome.packsKept.count > 0)
        #expect(vault.store.calls.dropFirst(calls).allSatisfy { !$0.changes })
    }

    @Test func `a dry run tells what the real one does and changes nothing`() throws {
        var random = SeededRandom(stream: "dry")
        var vault = try PruneFixture()
        for _ in 0..<4 { try vault.backup(&random) }
        let points = try vault.points()
        try vault.delete(points[1])
        _ = try vault.killedSession(&random)
        vault.clock.advance(seconds: 4000)
        let calls = vault.store.calls.count
        let dry = try vault.prune {
            $0.isDry = true
            $0.assumedGone = [points[2]]
        }
        #expect(vault.store.calls.dropFirst(calls).allSatisfy { !$0.changes })
        try vault.delete(points[2])
        let real = try vault.prune()
        #expect(dry.points == real.points && dry.sessions == real.sessions)
        #expect(dry.packsDropped == real.packsDropped && dry.packsKept == real.packsKept)
        #expect(dry.garbage == real.garbage && dry.droppedBytes == real.droppedBytes)
        #expect(real.packsDropped.count > 0 && real.garbage.count == 3)
    }

    @Test func `a living session keeps its parent, a silent one is fenced`() throws {
        var random = SeededRandom(stream: "sessions")
        var vault = try PruneFixture()
        for _ in 0..<3 { try vault.backup(&random) }
        let points = try vault.points()
        let reader = try Lease.begin(
            vault.vault,
            system,
            kind: .restore,
            parent: points[0],
            clock: vault.clock,
            beatSeconds: nil
        )
        try vault.delete(points[0])
        let before = try SyntheticBackup.read(vault.vault, points[1]).files
        #expect(before == vault.files[points[1]])
        let pinned = try vault.prune()
        #expect(pinned.points.first?.fate == .pinned(.restore) && !pinned.hasDropped)

        let session = try vault.killedSession(&random)
        #expect(try vault.prune().sessions.map(\.isDead) == [false, false])
        vault.clock.advance(seconds: 3601)
        try reader.beat()
        let fenced = try vault.prune()
        #expect(fenced.sessions.map(\.isDead) == [false, true] && fenced.packsDropped.count > 0)
        // It wakes up, and finds that it may not commit.
        let error = #expect(throws: PgkeepError.self) {
            try SyntheticBackup(files: [:], directories: [], links: [:]).run(session)
        }
        #expect(error?.code == .busy)
        session.abandon()
        try reader.end()
        #expect(try vault.prune().points.first?.fate == .dropped)
        #expect(try vault.points() == Array(points[1...]) && vault.wrong().isEmpty)
    }

    @Test func `a check keeps everything as it was when it began`() throws {
        var random = SeededRandom(stream: "check")
        var vault = try PruneFixture()
        for _ in 0..<2 { try vault.backup(&random) }
        let check = try Lease.begin(
            vault.vault,
            system,
            kind: .check,
            clock: vault.clock,
            beatSeconds: nil
        )
        try vault.delete(vault.points()[0])
        #expect(try !vault.prune().hasDropped)
        try check.end()
        #expect(try vault.prune().hasDropped)
    }

    @Test func `a damaged root keeps all packs until its point is deleted`() throws {
        var random = SeededRandom(stream: "damaged root")
        var vault = try PruneFixture()
        for _ in 0..<3 { try vault.backup(&random) }
        let points = try vault.points()
        try vault.delete(points[0])
        vault.store.corrupt(VaultNames.root(system, points[1]), at: 100)
        let blocked = try vault.prune()
        #expect(blocked.packsDropped.count == 0 && blocked.warnings.count == 1)
        #expect(blocked.points.contains { $0.id == points[1] && $0.fate == .damaged })
        try vault.delete(points[1])
        #expect(try vault.prune().packsDropped.count > 0)
        #expect(try vault.points() == [points[2]] && vault.wrong().isEmpty)
    }

    @Test func `packs of a point whose root is lost are kept and told of`() throws {
        var random = SeededRandom(stream: "lost root")
        var vault = try PruneFixture()
        for _ in 0..<2 { try vault.backup(&random) }
        let points = try vault.points()
        let root = VaultNames.root(system, points[1])
        let bytes = try #require(vault.store.peek(root))
        vault.store.lose(root)
        let outcome = try vault.prune()
        #expect(outcome.packsOfLostRoots.count > 0 && outcome.packsDropped.count == 0)
        #expect(outcome.warnings.contains { $0.contains(points[1].description) })
        vault.store.overwrite(root, with: bytes)
        #expect(try vault.points() == points && vault.wrong().isEmpty)
    }

    @Test func `a draft counts until there is a newer point`() throws {
        var random = SeededRandom(stream: "drafts")
        var vault = try PruneFixture()
        try vault.backup(&random)
        let session = try vault.killedSession(&random)
        // What a draft needs is told like what a point needs.
        let source = VaultNames.root(system, try vault.points()[0])
        let frames = try Sealed.decode(
            vault.vault,
            source,
            kinds: [.root],
            system: system,
            bytes: vault.store.get(source)
        ).frames
        for number in UInt32(0)..<2 {
            let draft = VaultNames.draft(system, session.id, number)
            let bytes = try Sealed.encode(
                vault.vault,
                draft,
                kind: .draft,
                system: system,
                frames: frames
            )
            try vault.store.put(draft, bytes)
        }
        try put(draft: 1, of: session.id, in: vault)
        vault.clock.advance(seconds: 3601)
        try vault.prune()
        let first = VaultNames.draft(system, session.id, 0)
        let second = VaultNames.draft(system, session.id, 1)
        // The number went from the lease to the tombstone, and with it the draft counts on.
        #expect(try vault.store.head(first) == nil && vault.store.head(second) != nil)
        let held = try vault.packs().needed
        try vault.delete(vault.points()[0])
        #expect(try vault.prune().packsDropped.count == 0)
        #expect(try vault.packs().there.isSuperset(of: held))
        vault.clock.advance(seconds: 60)
        var next = vault
        try next.backup(&random, changed: 6)
        #expect(try next.prune().packsDropped.count > 0)
        #expect(try next.store.head(second) == nil && next.wrong().isEmpty)
        let (there, needed) = try next.packs()
        #expect(there == needed)
    }

    /// Puts a session's lease anew, naming a draft.
    private func put(draft: UInt32, of session: PointID, in vault: PruneFixture) throws {
        var record = try #require(try Lease.read(vault.vault, system, session))
        record.draft = draft
        let name = VaultNames.lease(system, session)
        let bytes = try Sealed.encode(
            vault.vault,
            name,
            kind: .lease,
            system: system,
            frames: [(.info, Array(try leaseJSON(record).utf8))]
        )
        try vault.store.put(name, bytes)
    }
}
