public import Domain

/// The header of a whole WAL segment: enough to tell cheaply what a file really is.
public struct SegmentHeader: Hashable, Sendable {
    /// Bytes needed from the front of the segment.
    public static let size = WALPageHeader.longSize

    /// The timeline of the first page.
    ///
    /// The file may be named for a later one: a segment in which a timeline begins still opens
    /// with pages of the one before.
    public var timeline: TimelineID
    /// The position of the first byte.
    public var start: LSN
    /// The cluster.
    public var systemIdentifier: SystemIdentifier
    /// The length of the cluster's segments.
    public var segmentSize: WALSegmentSize
    /// The PostgreSQL release.
    public var majorVersion: Int

    /// Reads the first `size` bytes of a segment.
    ///
    /// Throws `source.unsupported` for an unknown release, `refused` for what is no segment at all.
    public init(_ bytes: UnsafeRawBufferPointer) throws(PgkeepError) {
        guard bytes.count >= Self.size else { throw Self.refused("it is too short") }
        let header = WALPageHeader(bytes.part(0, Self.size))
        guard let major = header.majorVersion else {
            let stop = WALStop(position: header.start, reason: .unknownMagic(header.magic))
            throw stop.error(.refused)
        }
        guard header.isLong, header.blockSize == UInt32(WALPageHeader.pageSize),
            let size = WALSegmentSize(bytes: header.segmentSize),
            header.start.rawValue % size.bytes == 0
        else { throw Self.refused("its first page is not that of a segment") }
        timeline = header.timeline
        start = header.start
        systemIdentifier = header.systemIdentifier
        segmentSize = size
        majorVersion = major
    }

    /// Checks that this is the header of `segment`, of that cluster and release.
    ///
    /// Throws `source.foreign` for another cluster's file and `refused` for any other mismatch.
    public func verify(
        is segment: WALSegment,
        of system: SystemIdentifier,
        majorVersion expected: Int? = nil
    ) throws(PgkeepError) {
        guard systemIdentifier == system else {
            throw PgkeepError(
                .sourceForeign,
                "WAL segment \(segment.name) belongs to system \(systemIdentifier), not \(system)",
                hint: "check which server this file or stream comes from"
            )
        }
        guard segmentSize == segment.size else {
            throw Self.refused("its segments have \(segmentSize.bytes) bytes")
        }
        guard start == segment.start, timeline <= segment.timeline else {
            throw Self.refused("it holds \(start) of timeline \(timeline), not \(segment.name)")
        }
        guard expected.map({ $0 == majorVersion }) ?? true else {
            throw Self.refused("it is of PostgreSQL \(majorVersion)")
        }
    }

    private static func refused(_ what: String) -> PgkeepError {
        PgkeepError(
            .refused,
            "this is not the WAL segment it should be: \(what)",
            hint: "check which server this file or stream comes from"
        )
    }
}
