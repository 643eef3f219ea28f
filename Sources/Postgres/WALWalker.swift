public import Domain
import Platform

/// Walks WAL pushed in slices of any length: checks every page header and every record's checksum,
/// and reports the records that matter to recovery.
///
/// A walk begins at any page boundary, also in the middle of a record, whose rest is then skipped.
/// It ends at the first thing that is no valid WAL (`stop`), as PostgreSQL's own recovery does.
/// Memory is bounded whatever the records' sizes. Source of the format: PostgreSQL 13–18,
/// src/backend/access/transam/xlogreader.c.
public struct WALWalker: Sendable {
    /// The cluster's segment size.
    public let segmentSize: WALSegmentSize
    /// The cluster the WAL must be of, if it is known.
    public let systemIdentifier: SystemIdentifier?
    /// The next byte to feed.
    public private(set) var position: LSN
    /// The end of the last complete valid record; at first the beginning of the walk.
    ///
    /// It is rounded up to 8, and to the segment's end after a segment switch, so it can lie ahead
    /// of `position`.
    public private(set) var validEnd: LSN
    /// Why and where the walk ended; nil while it goes on.
    public private(set) var stop: WALStop?
    /// The timeline of the last page begun or the last switch seen; 0 before the first page.
    public private(set) var timeline: TimelineID = 0
    /// The PostgreSQL release the pages are of; nil before the first.
    public private(set) var majorVersion: Int?
    /// How many complete valid records were seen.
    public private(set) var records: UInt64 = 0

    /// The start of the last complete valid record; nil before the first.
    public private(set) var lastStart: LSN?

    /// The start of the last record that is more than an idle server's own book-keeping and
    /// heartbeats: the files may differ from before. Nil when none was seen.
    public private(set) var lastChange: LSN?

    private static let page = UInt64(WALPageHeader.pageSize)
    private var skipUntil: LSN
    private var header: [UInt8] = []
    private var pending = PendingRecord()

    /// A walk beginning at `start`, a page boundary.
    public init(
        segmentSize: WALSegmentSize,
        systemIdentifier: SystemIdentifier?,
        startingAt start: LSN
    ) {
        precondition(start.rawValue % Self.page == 0, "a walk begins at a page boundary")
        self.segmentSize = segmentSize
        self.systemIdentifier = systemIdentifier
        position = start
        validEnd = start
        skipUntil = start
        header.reserveCapacity(WALPageHeader.longSize)
    }

    /// True when a record has begun whose end has not been fed.
    public var isInsideRecord: Bool { pending.isActive && pending.taken > 0 }

    /// Takes the bytes at `start`, which must be `position`, and reports what they complete.
    ///
    /// After a stop nothing more happens.
    public mutating func feed(
        _ bytes: UnsafeRawBufferPointer,
        at start: LSN,
        _ handle: (WALEvent) throws -> Void
    ) rethrows {
        guard stop == nil else { return }
        precondition(start == position, "WAL must be fed without gaps")
        var offset = 0
        while offset < bytes.count, stop == nil {
            let rest = bytes.count - offset
            let used: Int
            if position < skipUntil {
                used = Int(min(UInt64(rest), skipUntil - position))
            } else {
                let inPage = Int(position.rawValue & (Self.page - 1))
                let piece = bytes.part(
                    offset,
                    offset + min(rest, WALPageHeader.pageSize - inPage)
                )
                if inPage == 0 || !header.isEmpty {
                    used = takeHeader(piece)
                } else if pending.isActive {
                    used = try takePending(piece, handle)
                } else {
                    used = try walk(piece, handle)
                }
            }
            position = position + UInt64(used)
            offset += used
        }
    }

    private mutating func end(at position: LSN, _ reason: WALStop.Reason) {
        stop = WALStop(position: position, reason: reason)
    }

    // MARK: Page headers

    private mutating func takeHeader(_ bytes: UnsafeRawBufferPointer) -> Int {
        let page = LSN(position.rawValue - UInt64(header.count))
        let isFirst = page.rawValue % segmentSize.bytes == 0
        let size = isFirst ? WALPageHeader.longSize : WALPageHeader.shortSize
        if header.isEmpty, bytes.count >= size {
            begin(page, WALPageHeader(bytes.part(0, size)))
            return size
        }
        let used = min(size - header.count, bytes.count)
        header.append(contentsOf: bytes.part(0, used))
        if header.count == size {
            let whole = header
            header.removeAll(keepingCapacity: true)
            whole.withUnsafeBytes { begin(page, WALPageHeader($0)) }
        }
        return used
    }

    private mutating func begin(_ page: LSN, _ header: WALPageHeader) {
        let fault = header.fault(at: page, segmentSize: segmentSize, system: systemIdentifier)
        if let fault { return end(at: page, fault) }
        guard header.timeline >= timeline else { return end(at: page, .timelineWentBack) }
        guard majorVersion == nil || majorVersion == header.majorVersion else {
            return end(at: page, .changedVersion)
        }
        let isFirst = majorVersion == nil
        majorVersion = header.majorVersion
        timeline = header.timeline
        if pending.isActive {
            if header.overwritesRecord {
                // A crash cut the record short; recovery began anew on this page.
                pending.drop()
            } else if !header.continuesRecord || header.remaining != pending.remaining {
                end(at: page, .brokenContinuation)
            }
        } else if header.continuesRecord {
            guard isFirst, (1...WALRecord.maximumSize).contains(header.remaining) else {
                return end(at: page, .brokenContinuation)
            }
            pending.skip(header.remaining, at: page)
        }
    }

    // MARK: Records

    // Records that lie whole in `bytes`, a part of one page. Returns how much was used.
    private mutating func walk(
        _ bytes: UnsafeRawBufferPointer,
        _ handle: (WALEvent) throws -> Void
    ) rethrows -> Int {
        let base = position
        var offset = 0
        while bytes.count - offset >= WALRecord.headerSize {
            let total = Int(bytes.field(offset, as: UInt32.self))
            guard total <= bytes.count - offset else { break }
            let start = base + UInt64(offset)
            guard total >= WALRecord.headerSize else {
                end(at: start, total == 0 ? .zeroes : .malformedRecord)
                return offset
            }
            let previous: UInt64 = bytes.field(offset + 8)
            guard follows(LSN(previous), start) else {
                end(at: start, .wrongPrevious)
                return offset
            }
            let body = CRC32C.of(bytes.part(offset + WALRecord.headerSize, offset + total))
            let checksum = CRC32C.of(bytes.part(offset, offset + 20), from: body)
            guard checksum == bytes.field(offset + 20, as: UInt32.self) else {
                end(at: start, .wrongChecksum)
                return offset
            }
            let next = offset + (total + 7) & ~7
            accept(start, end: base + UInt64(next))
            if WALRecord.changes(manager: bytes[offset + 17], info: bytes[offset + 16]) {
                lastChange = start
            }
            if WALRecord.matters(manager: bytes[offset + 17]) {
                let record = WALRecord(
                    bytes: bytes.part(offset, offset + total),
                    total: total,
                    majorVersion: majorVersion ?? 0
                )
                try report(record.kind(start: start, end: validEnd), start, handle)
                if stop != nil || skipUntil > start { return min(next, bytes.count) }
            }
            offset = next
        }
        if offset >= bytes.count {
            // The padding behind the last record may come with the next slice.
            skipUntil = max(skipUntil, base + UInt64(offset))
            return bytes.count
        }
        pending.begin(at: base + UInt64(offset))
        return offset
    }

    private mutating func takePending(
        _ bytes: UnsafeRawBufferPointer,
        _ handle: (WALEvent) throws -> Void
    ) rethrows -> Int {
        let hadLength = pending.hasLength
        let hadHeader = pending.hasHeader
        let used = pending.take(bytes)
        let start = pending.start
        guard pending.isVerified else {
            if pending.isComplete { finishSkipped(at: position + UInt64(used)) }
            return used
        }
        if !hadLength, pending.hasLength {
            guard (WALRecord.headerSize...WALRecord.maximumSize).contains(pending.total) else {
                end(at: start, pending.total == 0 ? .zeroes : .malformedRecord)
                return used
            }
        }
        if !hadHeader, pending.hasHeader, !follows(pending.previous, start) {
            end(at: start, .wrongPrevious)
            return used
        }
        guard pending.hasHeader, pending.isComplete else { return used }
        pending.drop()
        guard pending.isSound else {
            end(at: start, .wrongChecksum)
            return used
        }
        let last = position + UInt64(used)
        accept(start, end: LSN((last.rawValue + 7) & ~7))
        if pending.changes { lastChange = start }
        skipUntil = max(skipUntil, validEnd)
        let kind = pending.kind(end: validEnd, majorVersion: majorVersion ?? 0)
        try report(kind, start, handle)
        return used
    }

    private mutating func finishSkipped(at last: LSN) {
        pending.drop()
        skipUntil = LSN((last.rawValue + 7) & ~7)
    }

    // The first record of a walk can only be asked to point back at all.
    @inline(__always)
    private func follows(_ previous: LSN, _ start: LSN) -> Bool {
        if let lastStart { return previous == lastStart }
        return previous < start
    }

    @inline(__always)
    private mutating func accept(_ start: LSN, end: LSN) {
        lastStart = start
        validEnd = end
        records += 1
    }

    private mutating func report(
        _ kind: Result<WALEvent.Kind?, WALRecord.Malformed>,
        _ start: LSN,
        _ handle: (WALEvent) throws -> Void
    ) rethrows {
        switch kind {
        case .failure: end(at: start, .malformedRecord)
        case .success(nil): return
        case .success(.some(.segmentSwitch)):
            let size = segmentSize.bytes
            validEnd = LSN((start.rawValue / size + 1) * size)
            skipUntil = validEnd
            try handle(WALEvent(start: start, end: validEnd, kind: .segmentSwitch))
        case .success(.some(let kind)):
            let event = WALEvent(start: start, end: validEnd, kind: kind)
            // The page the switch is on keeps the timeline it was begun on.
            if let change = event.timelineSwitch { timeline = max(timeline, change.to) }
            try handle(event)
        }
    }
}
