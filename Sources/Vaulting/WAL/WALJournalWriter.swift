public import Domain
public import Platform
import Storage

/// Receives one WAL segment from its first byte: a journal that is readable and durable while it
/// grows, and that becomes the sealed segment at the end without being written again.
///
/// What `flush` has returned survives anything, and no later step takes it away: the journal
/// leaves its name only when the sealed segment has its own, and what an earlier session left of
/// the segment is removed only when this journal is durable beyond it and agrees with it.
///
/// One thread at a time; a writer may be handed to another thread to be finished there. After any
/// error it is given up: make a new one and receive the segment again from its start.
public final class WALJournalWriter: @unchecked Sendable {
    /// The segment.
    public let segment: WALSegment
    /// The position after the last durable byte.
    public private(set) var durable: LSN
    /// Called for content that contradicts what is archived; on the calling thread.
    public var alarm: (WALDivergence) -> Void = { _ in }
    /// False: the finished segment gives up its place in the system's cache. Who archives for
    /// months beside a server must not take the server's memory for bytes that nobody reads.
    public var keepsCache = true

    private let vault: Vault
    private var writer: WALObjectWriter
    private var leftovers: [WALLeftover] = []
    /// Frames at which a journal of many flushes is written again, to bound its directory.
    private let framesMax: Int

    /// Begins the journal of `segment`. Nothing of it is durable before the first `flush`.
    ///
    /// - Parameters:
    ///   - session: the session whose lease says that this journal is being written.
    ///   - leftovers: what the archive lists of this segment besides (`WALArchive.leftovers(of:)`);
    ///     what belongs to living sessions is left alone.
    public convenience init(
        _ vault: Vault,
        _ system: SystemIdentifier,
        segment: WALSegment,
        session: PointID,
        leftovers: [WALArchive.Entry] = [],
        clock: any Clock = SystemClock()
    ) throws {
        let head = WALHead(systemIdentifier: system, segment: segment, writer: session)
        try self.init(vault, head, leftovers: leftovers, clock: clock, framesMax: 1 << 16)
    }

    package init(
        _ vault: Vault,
        _ head: WALHead,
        leftovers: [WALArchive.Entry],
        clock: any Clock,
        framesMax: Int
    ) throws {
        self.vault = vault
        self.framesMax = framesMax
        segment = head.segment
        durable = head.segment.start
        self.leftovers = try leftovers.compactMap {
            try WALLeftover(vault, $0, successor: head.writer, clock: clock)
        }
        writer = try WALObjectWriter(vault, head: head, visible: true)
    }

    /// The position of the next byte.
    public var position: LSN { segment.start + writer.length }

    /// The journal's name, for messages.
    public var name: WALObjectName { writer.name }

    /// Takes the bytes at `position`, as many as belong to this segment; returns how many.
    /// They are only read, and neither readable nor durable before `flush`.
    public func append(_ bytes: UnsafeRawBufferPointer) throws -> Int {
        let room = segment.end - position
        let taken = UnsafeRawBufferPointer(rebasing: bytes[..<Int(min(room, UInt64(bytes.count)))])
        try writer.append(taken)
        return taken.count
    }

    /// Makes everything appended durable with one sync and returns the position after it, which
    /// may then be acknowledged. Costs nothing when nothing was appended since.
    @discardableResult
    public func flush() throws -> LSN {
        guard position > durable else { return durable }
        if writer.frames < framesMax {
            try writer.sync()
        } else {
            try rewriteJournal()
        }
        durable = position
        try settleLeftovers(against: writer.name)
        return durable
    }

    /// Ends the whole segment: durable under its own name on return. The writer is used up.
    public func finish(_ summary: WALSummary) throws -> WALStoreOutcome {
        precondition(position == segment.end, "the segment is not complete")
        return try complete(as: .sealed, summary)
    }

    /// Ends a segment that will not be completed on this timeline or by this session: durable as a
    /// part on return. The writer is used up. Nil when there was nothing to keep.
    public func finishPart(_ summary: WALSummary) throws -> WALStoreOutcome? {
        guard writer.length > 0 else {
            try writer.discard()
            return nil
        }
        guard position < segment.end else { return try finish(summary) }
        return try complete(as: .part(length: UInt32(writer.length)), summary)
    }

    // MARK: Completing

    private func complete(
        as form: WALObjectName.Form,
        _ summary: WALSummary
    ) throws -> WALStoreOutcome {
        var final = writer
        if writer.isFragmented {
            try writer.drain()
            final = try copy(of: writer, visible: false)
        }
        try final.close(summary: summary)
        let target = WALObjectName(writer.name.systemIdentifier, segment: segment.name, form)
        let outcome = try publish(final, as: target)
        // The content is safe under a name of its own; the journal has done its duty.
        if final !== writer { try writer.discard() }
        if !keepsCache { final.releaseCache() }
        durable = position
        try settleLeftovers(against: target)
        return outcome
    }

    private func publish(
        _ final: WALObjectWriter,
        as target: WALObjectName
    ) throws -> WALStoreOutcome {
        if try final.publish(as: target) { return .stored }
        var divergence = WALDivergence(
            segment: segment,
            firstDifference: nil,
            kept: target.object,
            aside: target.object,
            damage: nil
        )
        do {
            let archived = try reader(target)
            let ours = try WALObjectReader(vault, writer.name, size: writer.objectBytes)
            guard let offset = try WALComparison.firstDifference(archived, ours) else {
                try final.discard()
                return .alreadyStored
            }
            divergence.firstDifference = segment.start + offset
        } catch let error as PgkeepError where error.code == .integrity {
            divergence.damage = error.description
        }
        let aside = WALObjectName.alternate(of: target)
        guard try final.publish(as: aside) else {
            throw PgkeepError.damaged(aside.object, "a name nobody can have chosen is taken")
        }
        divergence.aside = aside.object
        alarm(divergence)
        return .divergent(divergence)
    }

    private func reader(_ name: WALObjectName) throws -> WALObjectReader {
        guard let information = try vault.store.head(name.object) else {
            throw PgkeepError(
                .storeUnreachable,
                "\(name) has vanished while it was compared",
                hint: "try again; if it happens again, look who deletes objects of the vault"
            )
        }
        return try WALObjectReader(vault, name, size: information.size)
    }

    private func copy(of source: WALObjectWriter, visible: Bool) throws -> WALObjectWriter {
        let reader = try WALObjectReader(vault, source.name, size: source.objectBytes)
        let copy = try WALObjectWriter(vault, head: source.head, visible: visible)
        try copy.append(contentsOf: reader)
        guard copy.length == source.length, copy.crc == source.crc else {
            throw PgkeepError.damaged(source.name.object, "it does not read as it was written")
        }
        return copy
    }

    /// Replaces a journal of very many small frames by one of full frames.
    private func rewriteJournal() throws {
        try writer.drain()
        let better = try copy(of: writer, visible: true)
        try better.sync()
        try writer.discard()
        writer = better
    }

    // MARK: Leftovers

    /// Removes those leftovers whose every byte is durable in `successor` now.
    private func settleLeftovers(against successor: WALObjectName) throws {
        guard !leftovers.isEmpty else { return }
        var waiting: [WALLeftover] = []
        for leftover in leftovers {
            let end = segment.start + (leftover.isDamaged ? segment.size.bytes : leftover.length)
            guard end <= durable else {
                waiting.append(leftover)
                continue
            }
            let divergence = try leftover.settle(vault, segment) {
                // What is durable is also readable: `flush` has drained it.
                if successor == self.writer.name {
                    return try WALObjectReader(
                        self.vault,
                        successor,
                        size: self.writer.objectBytes
                    )
                }
                return try self.reader(successor)
            }
            if let divergence { alarm(divergence) }
        }
        leftovers = waiting
    }
}
