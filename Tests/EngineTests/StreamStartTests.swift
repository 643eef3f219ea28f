import Domain
import Engine
import Platform
import Postgres
import Sealing
import Storage
import TestSupport
import Testing
import Vaulting

/// Where a stream begins: never after a byte the archive lacks, never on a dead branch.
@Suite struct StreamStartTests {
    private static let system = SystemIdentifier(0x6a5b_4c3d_2e1f_0003)
    private let megabyte = WALSegmentSize(bytes: 1 << 20) ?? .standard

    /// The start chosen with these segments archived whole and these begun, as timeline and number.
    private func choose(
        sealed: [(TimelineID, UInt64)] = [],
        begun: [(TimelineID, UInt64)] = [],
        server: (TimelineID, UInt64),
        history: TimelineHistory? = nil,
        slot: ReplicationSlot? = nil
    ) throws -> (TimelineID, LSN) {
        let key = KeySource.keyFile(SecretBytes([UInt8](repeating: 3, count: 32)))
        let vault = try Vault.create(store: MemoryStore(), keySource: key)
        func put(_ segment: (TimelineID, UInt64), _ form: WALObjectName.Form) throws {
            let segment = WALSegment(
                timeline: segment.0,
                containing: LSN(segment.1 << 20),
                size: megabyte
            )
            // The choice looks at names only.
            let name = WALObjectName(Self.system, segment: segment.name, form)
            try vault.store.put(name.object, [1])
        }
        for segment in sealed { try put(segment, .sealed) }
        for segment in begun { try put(segment, .journal(String(repeating: "0", count: 32))) }
        let start = try StreamStart.choose(
            archive: try WALArchive.load(vault, Self.system, segmentSize: megabyte),
            identity: SystemIdentity(
                systemIdentifier: Self.system,
                timeline: server.0,
                position: LSN(server.1)
            ),
            history: history,
            slot: slot
        )
        return (start.timeline, start.position)
    }

    @Test func `an empty archive begins where the slot does, or where the server is`() throws {
        let slot = ReplicationSlot(name: "s", restartLSN: LSN(0x2_5000), timeline: 1)
        #expect(try choose(server: (1, 0x78_9000)) == (1, LSN(0x70_0000)))
        #expect(try choose(server: (1, 0x78_9000), slot: slot) == (1, LSN(0)))
        let old = ReplicationSlot(name: "s", restartLSN: LSN(0x32_5000), timeline: 2)
        #expect(try choose(server: (3, 0x78_9000), slot: old) == (2, LSN(0x30_0000)))
    }

    @Test func `an archive is continued behind its last whole segment, a begun one from its start`()
        throws
    {
        #expect(
            try choose(sealed: [(1, 2), (1, 3)], server: (1, 0x78_9000)) == (1, LSN(0x40_0000))
        )
        #expect(
            try choose(sealed: [(1, 3)], begun: [(1, 4)], server: (1, 0x78_9000))
                == (1, LSN(0x40_0000))
        )
        // The slot may be ahead or behind: the archive knows best.
        let slot = ReplicationSlot(name: "s", restartLSN: LSN(0x60_0000), timeline: 1)
        #expect(
            try choose(sealed: [(1, 3)], server: (1, 0x78_9000), slot: slot)
                == (1, LSN(0x40_0000))
        )
    }

    @Test func `a hole before the archive's end is filled while the slot still covers it`() throws {
        let slot = ReplicationSlot(name: "s", restartLSN: LSN(0x21_0000), timeline: 1)
        #expect(
            try choose(sealed: [(1, 2), (1, 5)], server: (1, 0x78_9000), slot: slot)
                == (1, LSN(0x30_0000))
        )
        #expect(
            try choose(sealed: [(1, 2), (1, 3)], server: (1, 0x78_9000), slot: slot)
                == (1, LSN(0x40_0000))
        )
    }

    @Test func `a hole is looked for on both sides of a promotion`() throws {
        let slot = ReplicationSlot(name: "s", restartLSN: LSN(0x21_0000), timeline: 1)
        let history = TimelineHistory(
            timeline: 2,
            forks: [TimelineHistory.Fork(timeline: 1, end: LSN(0x40_0000))]
        )
        func start(_ sealed: [(TimelineID, UInt64)]) throws -> (TimelineID, LSN) {
            try choose(sealed: sealed, server: (2, 0x98_9000), history: history, slot: slot)
        }
        #expect(try start([(1, 2), (2, 4), (2, 7)]) == (1, LSN(0x30_0000)))
        #expect(try start([(1, 2), (1, 3), (2, 7)]) == (2, LSN(0x40_0000)))
        #expect(try start([(1, 2), (1, 3), (2, 4), (2, 7)]) == (2, LSN(0x50_0000)))
        #expect(try start([(1, 2), (1, 3), (2, 4), (2, 5)]) == (2, LSN(0x60_0000)))
        // What the old timeline has beyond the fork fills nothing.
        #expect(try start([(1, 2), (1, 3), (1, 4), (2, 7)]) == (2, LSN(0x40_0000)))
    }

    @Test func `after a promotion the old timeline is finished first`() throws {
        let history = TimelineHistory(
            timeline: 2,
            forks: [TimelineHistory.Fork(timeline: 1, end: LSN(0x5a_0000))]
        )
        #expect(
            try choose(sealed: [(1, 3)], server: (2, 0x78_9000), history: history)
                == (1, LSN(0x40_0000))
        )
        #expect(
            try choose(sealed: [(1, 4)], begun: [(1, 5)], server: (2, 0x78_9000), history: history)
                == (1, LSN(0x50_0000))
        )
    }

    @Test func `what lies beyond the fork is a dead branch`() throws {
        let history = TimelineHistory(
            timeline: 2,
            forks: [TimelineHistory.Fork(timeline: 1, end: LSN(0x5a_0000))]
        )
        for sealed in [[(1, 5)], [(1, 5), (1, 6), (1, 9)]] as [[(TimelineID, UInt64)]] {
            #expect(
                try choose(sealed: sealed, server: (2, 0x78_9000), history: history)
                    == (2, LSN(0x50_0000))
            )
        }
        #expect(
            try choose(sealed: [(1, 6), (2, 5)], server: (2, 0x78_9000), history: history)
                == (2, LSN(0x60_0000))
        )
    }
}
