import Agent
import Domain
import Logging
import Platform
import Sealing
import Storage
import TestSupport
import Testing
import Vaulting

/// Two agents' care for one vault, on one clock made by hand.
@Suite struct InstanceCareTests {
    private struct Agents {
        let clock = SteppedClock()
        let store = MemoryStore()
        let vault: Vault

        init() throws {
            vault = try Vault.create(
                store: store,
                keySource: .keyFile(SecretBytes.random(count: 32)),
                clock: clock
            )
        }

        func care(_ names: Set<InstanceName> = []) -> InstanceCare {
            InstanceCare(
                vault: vault,
                open: { vault },
                names: names,
                clock: clock,
                log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            )
        }

        @discardableResult
        func add(_ text: String, _ number: UInt64) throws -> InstanceName {
            let name = try InstanceName(checking: text)
            try vault.instances(clock: clock).create(
                text,
                InstanceRecord(
                    name: name,
                    systemIdentifier: SystemIdentifier(number),
                    source: "host=nowhere",
                    slot: nil,
                    serverVersion: ServerVersion(number: 180_000),
                    segmentSize: .standard,
                    createdAt: clock.now
                )
            )
            return name
        }
    }

    /// A wall clock that can be set without the steady one noticing.
    private final class SteppedClock: Platform.Clock {
        let steady = ManualClock()
        private let offset = Condition(0.0)

        var now: Timestamp { steady.now.adding(seconds: Int64(offset.read { $0 })) }
        var monotonicSeconds: Double { steady.monotonicSeconds }

        func step(seconds: Double) { offset.change { $0 += seconds } }
    }

    @Test func `first come holds, what is added is picked up, what is stopped is let go`() throws {
        let agents = try Agents()
        let (first, second) = (agents.care(), agents.care())
        let one = try agents.add("one", 1)
        #expect(try first.round().owned == [one])
        #expect(try second.round().owned == [])
        let two = try agents.add("two", 2)
        let round = try second.round()
        #expect(round.isChanged)
        #expect(round.owned == [two])
        #expect(try !second.round().isChanged)
        #expect(try first.round().owned == [one])

        try agents.vault.instances(clock: agents.clock).change("one") {
            $0.state = .stoppedForever
        }
        #expect(try first.round().owned == [])
        #expect(try Claim.holder(agents.vault, SystemIdentifier(1), .agent) == nil)
        try agents.vault.instances(clock: agents.clock).change("one") { $0.state = .active }
        #expect(try second.round().owned == [one, two])
        second.releaseAll()
        #expect(try first.round().owned == [one, two])
    }

    @Test func `the damaged record of one instance ends the care for no other`() throws {
        let agents = try Agents()
        let one = try agents.add("one", 1)
        let two = try agents.add("two", 2)
        let living = agents.care()
        #expect(try living.round().owned == [one, two])
        let name: ObjectName = "r/instance/two/0000000001"
        var bytes = try #require(agents.store.peek(name))
        bytes[bytes.count / 2] ^= 1
        agents.store.overwrite(name, with: bytes)
        // Who knew it goes on by what it knew.
        let three = try agents.add("three", 3)
        #expect(try living.round().owned == [one, three, two])
        living.releaseAll()
        #expect(try agents.care().round().owned == [one, three])
    }

    @Test func `eight periods without a sign hand an instance over, however alive the process`()
        throws
    {
        let agents = try Agents()
        let (sleeper, other) = (agents.care(), agents.care())
        let one = try agents.add("one", 1)
        #expect(try sleeper.round().owned == [one])
        var periods = 0
        while try other.round().owned.isEmpty {
            periods += 1
            agents.clock.steady.advance(seconds: InstanceCare.roundSeconds)
            try #require(periods < 100)
        }
        #expect(Double(periods) * InstanceCare.roundSeconds == Role.agent.silenceSeconds)
        // Under a minute, with the period in which its children notice.
        #expect(Double(periods + 1) * InstanceCare.roundSeconds < 60)
        // It wakes up, and knows at once.
        #expect(try sleeper.round().owned == [])
        #expect(try other.round().owned == [one])
        // What it gives back is nothing of the other's.
        sleeper.releaseAll()
        #expect(try other.round().owned == [one])
    }

    @Test func `an agent that gives signs keeps its instances for ever, whatever the clocks say`()
        throws
    {
        let agents = try Agents()
        let (first, second) = (agents.care(), agents.care())
        let one = try agents.add("one", 1)
        for period in 0..<200 {
            #expect(try first.round().owned == [one])
            // The wall clock jumps about by days.
            agents.clock.step(seconds: period.isMultiple(of: 2) ? 86400 : -86400)
            #expect(try second.round().owned == [])
            agents.clock.steady.advance(seconds: InstanceCare.roundSeconds)
        }
    }

    @Test func `one agent leads: the holder of the first instance, or anybody where none is held`()
        throws
    {
        let agents = try Agents()
        let two = try agents.add("two", 2)
        let (first, second) = (agents.care([two]), agents.care())
        #expect(try first.round().isLeading)
        #expect(try !second.round().isLeading)
        let one = try agents.add("one", 1)
        #expect(try second.round().owned == [one])
        #expect(try second.round().isLeading)
        let round = try first.round()
        #expect(!round.isLeading)
        #expect(round.instances.map(\.name) == [two])

        let empty = try Agents()
        #expect(try empty.care().round().isLeading)
    }

    @Test func `an emptied directory is a vault out of reach, not one without instances`() throws {
        let agents = try Agents()
        let care = agents.care()
        try agents.add("one", 1)
        #expect(try care.round().owned.count == 1)
        let store = agents.store
        let name = ObjectName("vault.json")
        let bytes = try store.get(name)
        try store.delete(name)
        #expect(throws: PgkeepError.self) { try care.round() }
        _ = try store.putIfAbsent(name, bytes)
        #expect(try care.round().owned.count == 1)
    }
}
