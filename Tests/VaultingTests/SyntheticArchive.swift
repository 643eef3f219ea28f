import Domain
import Platform
import Storage
import TestSupport
import Vaulting

extension SyntheticBackup {
    /// The WAL the made-up points need, on timeline 2: the beginning of its segment, and with small
    /// segments also the whole one before it. A history and the instance's record besides.
    static func addArchive(to vault: Vault, segmentSize: UInt64 = 16 << 20) throws {
        guard let name = InstanceName("main"), let size = WALSegmentSize(bytes: segmentSize) else {
            preconditionFailure("a name and a size")
        }
        let time = Timestamp(seconds: 1_767_225_600)
        let clock = ManualClock(time)
        let record = try InstanceRecord(
            name: name,
            systemIdentifier: system,
            source: "host=/tmp",
            slot: nil,
            serverVersion: ServerVersion(number: 180_000),
            segmentSize: size,
            createdAt: time
        )
        try vault.instances(clock: clock).create(name.description, record)
        let lease = try Lease.begin(vault, system, kind: .stream, clock: clock, beatSeconds: nil)
        let segment = WALSegment(timeline: 2, containing: LSN(0x200_0000), size: size)
        if segmentSize < 4 << 20 {
            let before = WALSegment(timeline: 2, number: segment.number - 1, size: size)
            let journal = try WALJournalWriter(
                vault,
                system,
                segment: before,
                session: lease.session,
                clock: clock
            )
            _ = try wal(Int(size.bytes)).withUnsafeBytes { try journal.append($0) }
            _ = try journal.finish(WALSummary(start: before.start))
        }
        let journal = try WALJournalWriter(
            vault,
            system,
            segment: segment,
            session: lease.session,
            clock: clock
        )
        _ = try wal(0x200).withUnsafeBytes { try journal.append($0) }
        _ = try journal.finishPart(WALSummary(start: segment.start))
        _ = try TimelineArchive(vault, system).store(
            2,
            Array("1\t0/1000000\tno recovery target specified\n".utf8)
        )
        try lease.end()
    }

    /// Bytes standing for WAL; nobody here looks into them.
    static func wal(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 / 7) }
    }
}
