import Domain
import Platform
import Postgres
import Vaulting

/// The journal's thread: turns queued WAL into journal frames and sealed segments.
///
/// Order of events for every byte: journal frame written, fdatasync, then reported to the server as
/// flushed. Nothing is reported before it is durable, so the server may forget what we reported.
final class JournalKeeper {
    private let vault: Vault
    private let system: SystemIdentifier
    private let timeline: TimelineID
    private let size: WALSegmentSize
    private let session: PointID
    private let archive: WALArchive
    private let control: WALStreamControl
    private let board: StreamBoard
    private let meter: ProgressMeter
    private let room: StoreRoom?
    private let keepsCache: Bool
    /// Bytes taken since the store was last asked for its room.
    private var unasked: UInt64 = 0

    private static let askEvery: UInt64 = 4 << 20

    private let sealer: SegmentSealer
    private var journal: WALJournalWriter?
    private var summaries: WALSummaryBuilder
    private var position: LSN
    /// Records walked before the first byte of this stream.
    private let recordsBefore: UInt64

    /// Keeps WAL of `timeline` from `start` on, the first byte of a segment.
    ///
    /// - Parameters:
    ///   - session: the session whose lease covers the journals.
    ///   - archive: what was there before: leftovers of earlier sessions are settled with it.
    ///   - keepsCache: see `WALJournalWriter.keepsCache`.
    init(
        vault: Vault,
        system: SystemIdentifier,
        timeline: TimelineID,
        start: LSN,
        size: WALSegmentSize,
        session: PointID,
        archive: WALArchive,
        control: WALStreamControl,
        board: StreamBoard,
        meter: ProgressMeter,
        room: StoreRoom?,
        keepsCache: Bool
    ) {
        precondition(start.rawValue % size.bytes == 0, "a journal begins with its segment")
        self.vault = vault
        self.system = system
        self.timeline = timeline
        self.size = size
        self.session = session
        self.archive = archive
        self.control = control
        self.board = board
        self.meter = meter
        self.room = room
        self.keepsCache = keepsCache
        sealer = SegmentSealer(control: control, board: board)
        position = start
        // A record may run into the first segment from the one archived before; without its
        // beginning the summary would not know of it. Its loss is no reason not to stream.
        summaries = SegmentWalk(vault, system).summaries(
            from: WALSegment(timeline: timeline, containing: start, size: size)
        )
        recordsBefore = summaries.walker.records
    }

    /// Works until the inbox is finished; on return all that came is durable.
    func work(_ inbox: WALInbox) throws {
        do {
            while let message = try inbox.next() {
                switch consume message {
                case .bytes(let buffer, let start):
                    try take(buffer.bytes, at: start)
                    try inbox.recycle(buffer)
                case .flush: try flush()
                }
            }
            try flush()
        } catch {
            // What kept a segment from being sealed explains more than what it led to.
            try sealer.finish()
            throw error
        }
        try sealer.finish()
    }

    /// Publishes the unfinished segment as a part: nothing more will come for it on this timeline.
    func closePart() throws {
        guard let journal else { return }
        self.journal = nil
        if case .divergent(let divergence) = try journal.finishPart(summaries.take()) {
            throw divergence.error
        }
    }

    private func take(_ bytes: UnsafeRawBufferPointer, at start: LSN) throws {
        precondition(start == position, "WAL at \(start) instead of \(position)")
        try requireRoom(for: UInt64(bytes.count))
        var rest = bytes
        while !rest.isEmpty {
            let segment = WALSegment(timeline: timeline, containing: position, size: size)
            let current = try journal ?? begin(segment)
            let length = try current.append(rest)
            let part = UnsafeRawBufferPointer(rebasing: rest[..<length])
            try summaries.feed(part, at: position)
            try requireContinuity()
            position = position + UInt64(length)
            rest = UnsafeRawBufferPointer(rebasing: rest[length...])
            if position == segment.end { try seal() }
        }
        meter.add(UInt64(bytes.count))
        board.change { $0.bytes += UInt64(bytes.count) }
    }

    /// Stops before the store is full: what was taken so far is durable and can be told about.
    private func requireRoom(for bytes: UInt64) throws {
        guard let room else { return }
        unasked += bytes
        guard unasked >= Self.askEvery || journal == nil else { return }
        unasked = 0
        try room.check()
    }

    /// WAL whose first record does not follow the archive's last one is of another server that was
    /// promoted to the same timeline at the same place; of all checks only this one can tell. Asked
    /// before a byte is durable, so nothing of it reaches the archive.
    private func requireContinuity() throws {
        let walker = summaries.walker
        let signs: [WALStop.Reason] = [.wrongPrevious, .brokenContinuation, .timelineWentBack]
        guard let stop = walker.stop, signs.contains(stop.reason),
            walker.records == recordsBefore
        else { return }
        throw PgkeepError(
            .integrity,
            "the server's WAL does not continue the archive's at \(stop.position)",
            hint: "two servers write the same timeline: stop the wrong one, then take a backup"
        )
    }

    private func begin(_ segment: WALSegment) throws -> WALJournalWriter {
        let begun = try WALJournalWriter(
            vault,
            system,
            segment: segment,
            session: session,
            leftovers: archive.leftovers(of: segment)
        )
        begun.alarm = { [board] in board.note($0) }
        begun.keepsCache = keepsCache
        journal = begun
        return begun
    }

    /// Everything before this segment first: a position must not be reported while WAL before it
    /// is not durable.
    private func flush() throws {
        try sealer.wait()
        guard let journal else { return }
        let durable = try journal.flush()
        board.change { $0.durable = max($0.durable, durable) }
        control.report(written: durable, flushed: durable)
        // Others may fill the disk while little WAL comes.
        try room?.check()
    }

    private func seal() throws {
        guard let journal else { return }
        self.journal = nil
        try sealer.seal(journal, summaries.take(), end: position)
    }
}
