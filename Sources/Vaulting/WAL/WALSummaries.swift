public import Domain
import Platform

extension WALArchive {
    /// Reads WAL that nobody has summed up yet, and says what is in it: Engine's WAL walker.
    public typealias Summarizer = (
        _ segment: WALSegment, _ read: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) throws -> WALSummary

    private static let threads = 4
    /// Objects below which threads cost more than they save.
    private static let fewObjects = 64

    /// What the archive holds, for the planner and the recovery window.
    ///
    /// Finished objects tell by their directories; journals, having none, are read and handed to
    /// `summarize`. What cannot be opened becomes a loss by damage; a store out of reach throws.
    public func holdings(
        losses: [WALHoldings.Loss] = [],
        evidence: [WALHoldings.Evidence] = [],
        summarize: Summarizer
    ) throws -> WALHoldings {
        var losses = losses
        var pieces: [WALHoldings.Piece] = []
        var finished: [(WALSegment, Entry)] = []
        for segment in segments {
            if let whole = sealed(segment) {
                finished.append((segment, whole))
                continue
            }
            let leftovers = leftovers(of: segment)
            finished += leftovers.filter { $0.name.isPart }.map { (segment, $0) }
            guard leftovers.contains(where: { !$0.name.isPart }) else { continue }
            do {
                if let piece = try tail(segment, summarize) { pieces.append(piece) }
            } catch let error as PgkeepError where error.isDamage {
                losses.append(damage(segment))
            }
        }
        for ((segment, entry), info) in zip(finished, try Self.infos(vault, finished.map(\.1))) {
            guard let info else {
                losses.append(damage(segment))
                continue
            }
            pieces.append(try piece(segment, entry, info, summarize))
        }
        return WALHoldings(
            segmentSize: segmentSize,
            pieces: pieces,
            losses: losses,
            evidence: evidence,
            divergent: Set(
                segments.filter { entries(of: $0).contains { $0.name.isAlternate } }
            )
        )
    }

    /// What the directory of a whole segment says; nil when it is not archived whole.
    public func info(of segment: WALSegment) throws -> WALSegmentInfo? {
        try sealed(segment).map { try Self.info(vault, $0) }
    }

    private func tail(_ segment: WALSegment, _ summarize: Summarizer) throws -> WALHoldings.Piece? {
        let reader = WALSegmentReader(vault, systemIdentifier)
        var length: UInt64?
        let summary = try summarize(segment) { body in
            length = try reader.read(segment.name, body)
        }
        guard let length, length > 0 else { return nil }
        return WALHoldings.Piece(
            segment: segment,
            start: segment.start,
            end: segment.start + length,
            form: length == segment.size.bytes ? .sealed : .journal,
            summary: summary
        )
    }

    private func piece(
        _ segment: WALSegment,
        _ entry: Entry,
        _ info: WALSegmentInfo,
        _ summarize: Summarizer
    ) throws -> WALHoldings.Piece {
        let summary =
            try info.summary
            ?? summarize(segment) {
                _ = try WALSegmentReader(vault, systemIdentifier).read(segment.name, $0)
            }
        return WALHoldings.Piece(
            segment: segment,
            start: segment.start,
            end: segment.start + info.length,
            form: entry.name.isPart ? .part : .sealed,
            summary: summary
        )
    }

    private func damage(_ segment: WALSegment) -> WALHoldings.Loss {
        WALHoldings.Loss(
            timeline: segment.timeline,
            start: segment.start,
            end: segment.end,
            cause: .damaged
        )
    }

    // MARK: Directories

    /// The directories of finished objects, in order; nil for those that are damaged.
    private static func infos(_ vault: Vault, _ entries: [Entry]) throws -> [WALSegmentInfo?] {
        let share = (entries.count + threads - 1) / threads
        guard entries.count > fewObjects else { return try entries.map { try read(vault, $0) } }
        let workers = stride(from: 0, to: entries.count, by: share).map { start in
            let part = entries[start..<min(start + share, entries.count)]
            return Thread("wal-index") { try part.map { try read(vault, $0) } }
        }
        // Every thread is waited for, also when one fails.
        let results = workers.map { worker in Result { try worker.join() } }
        return try results.flatMap { try $0.get() }
    }

    private static func read(_ vault: Vault, _ entry: Entry) throws -> WALSegmentInfo? {
        do {
            return try info(vault, entry)
        } catch let error as PgkeepError where error.isDamage {
            return nil
        }
    }

    private static func info(_ vault: Vault, _ entry: Entry) throws -> WALSegmentInfo {
        let reader = try SealedObjectReader(
            vault,
            entry.name.object,
            kinds: [.wal],
            system: entry.name.systemIdentifier,
            boundTo: entry.name.base
        )
        return try ControlJSON.decode(
            WALSegmentInfo.self,
            reader.payload,
            "the directory of \(entry.name)"
        )
    }
}

extension WALObjectName {
    var isPart: Bool { if case .part = form { true } else { false } }
    var isAlternate: Bool { if case .alternate = form { true } else { false } }
}
