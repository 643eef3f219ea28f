import Domain
import Engine
import Platform
import Storage
import TestSupport
import Testing
import Vaulting

/// A stream publishes its journal while a command reads it.
@Suite struct MovingJournalTests {
    /// An instance with a journal of so many bytes that it is read in more than one piece.
    private struct Fixture {
        let main: LifecycleFixture
        let segment = WALSegment(timeline: 1, number: 1, size: .standard)
        private let journal: WALJournalWriter

        init() throws {
            main = try LifecycleFixture(points: 1)
            let lease = try Lease.begin(
                main.context.vault,
                SyntheticInstance.system,
                kind: .stream,
                clock: main.clock,
                beatSeconds: nil
            )
            journal = try WALJournalWriter(
                main.context.vault,
                SyntheticInstance.system,
                segment: segment,
                session: lease.session
            )
            var random = SeededRandom(stream: "moving journal")
            try Self.append(random.bytes(5 << 20), to: journal)
            _ = try journal.flush()
        }

        /// Has the stream fill and publish the segment just before the journal's `wanted`th read.
        /// The returned count tells whether it did.
        func publish(beforeRead wanted: Int) -> Condition<Int> {
            let (journal, name) = (journal, journal.name.object.text)
            let (reads, published) = (Condition(0), Condition(0))
            main.instance.store.setFaults { call in
                guard call.operation == .getRange, call.name == name else { return nil }
                let number = reads.change { count in
                    count += 1
                    return count
                }
                guard number == wanted else { return nil }
                do {
                    try Self.append([UInt8](repeating: 0, count: 11 << 20), to: journal)
                    _ = try journal.finish(WALSummary(start: journal.segment.start))
                    published.change { $0 += 1 }
                } catch {
                    Issue.record(error)
                }
                return nil
            }
            return published
        }

        private static func append(_ bytes: [UInt8], to journal: WALJournalWriter) throws {
            let taken = try bytes.withUnsafeBytes { try journal.append($0) }
            precondition(taken == bytes.count)
        }
    }

    /// Runs `body` with the segment published before the first read, the second and so on, until
    /// there are no more of them.
    private func atEachRead(_ body: (Fixture, _ arm: () -> Void) throws -> Void) throws {
        for wanted in 1... {
            let fixture = try Fixture()
            var published: Condition<Int>?
            try body(fixture) { published = fixture.publish(beforeRead: wanted) }
            guard try #require(published).read({ $0 }) > 0 else {
                // One read opens the journal, the others are its pieces.
                #expect(wanted > 4)
                return
            }
        }
    }

    @Test func `status and window look again`() throws {
        try atEachRead { fixture, arm in
            arm()
            let status = try WALStatus.read(fixture.main.context, try fixture.main.record())
            let length: UInt64 = status.segments == 0 ? 5 << 20 : 16 << 20
            #expect(status.durableLSN == fixture.segment.start + length)
        }
    }

    @Test func `the planner's walks begin again`() throws {
        try atEachRead { fixture, arm in
            let survey = try ArchiveSurvey(fixture.main.context, try fixture.main.record())
            arm()
            _ = try survey.transactionEnds(in: fixture.segment, after: nil)
        }
        try atEachRead { fixture, arm in
            let survey = try ArchiveSurvey(fixture.main.context, try fixture.main.record())
            arm()
            let end = fixture.segment.start + (4 << 20)
            _ = try survey.lastRecord(endingBy: end, in: [fixture.segment])
        }
    }
}
