import Domain

// The header of one 8 KiB WAL page: 24 bytes, or 40 on the first page of a segment.
// Source of the format: src/include/access/xlog_internal.h, PostgreSQL 13–18.
struct WALPageHeader {
    static let pageSize = 8192
    static let shortSize = 24
    static let longSize = 40

    private static let continuesRecord: UInt16 = 1
    private static let isLong: UInt16 = 2
    private static let overwritesRecord: UInt16 = 8
    private static let knownFlags: UInt16 = 15

    // A page's magic names the release whose format it has.
    private static let majors: [UInt16: Int] = [
        0xD106: 13, 0xD10D: 14, 0xD110: 15, 0xD113: 16, 0xD116: 17, 0xD118: 18,
    ]

    let bytes: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count >= Self.shortSize)
        self.bytes = bytes
    }

    var magic: UInt16 { bytes.field(0) }
    var flags: UInt16 { bytes.field(2) }
    var timeline: TimelineID { bytes.field(4) }
    var start: LSN { LSN(bytes.field(8)) }
    var remaining: Int { Int(bytes.field(16, as: UInt32.self)) }
    var continuesRecord: Bool { flags & Self.continuesRecord != 0 }
    var overwritesRecord: Bool { flags & Self.overwritesRecord != 0 }
    var isLong: Bool { flags & Self.isLong != 0 && bytes.count >= Self.longSize }
    var majorVersion: Int? { Self.majors[magic] }

    // Of the long header only.
    var systemIdentifier: SystemIdentifier { SystemIdentifier(bytes.field(24)) }
    var segmentSize: UInt64 { UInt64(bytes.field(32, as: UInt32.self)) }
    var blockSize: UInt32 { bytes.field(36) }

    // Checks what can be known of any page at `position`; nil when all is well.
    func fault(
        at position: LSN,
        segmentSize expected: WALSegmentSize,
        system: SystemIdentifier?
    ) -> WALStop.Reason? {
        if magic == 0 { return .zeroes }
        guard majorVersion != nil else { return .unknownMagic(magic) }
        let beginsSegment = position.rawValue % expected.bytes == 0
        guard start == position else { return .wrongAddress(start) }
        guard flags & ~Self.knownFlags == 0, timeline > 0,
            (flags & Self.isLong != 0) == beginsSegment,
            !(continuesRecord && overwritesRecord)
        else { return .malformedPage }
        guard beginsSegment else { return nil }
        guard bytes.count >= Self.longSize else { return .malformedPage }
        guard system.map({ $0 == systemIdentifier }) ?? true else {
            return .foreign(systemIdentifier)
        }
        guard segmentSize == expected.bytes, blockSize == UInt32(Self.pageSize) else {
            return .wrongGeometry
        }
        return nil
    }
}
