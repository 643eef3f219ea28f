/// What a timeline descends from, as PostgreSQL's `.history` files say it.
///
/// Source of the format: PostgreSQL's timeline.c (all versions 13–18): one line a parent,
/// `parentTLI<TAB>switchLSN<TAB>reason`; empty lines and lines beginning with `#` are legal, and
/// reasons of time and LSN targets contain a newline of their own.
public struct TimelineHistory: Hashable, Sendable {
    /// A parent timeline and where its child left it.
    public struct Fork: Hashable, Sendable {
        /// The parent.
        public var timeline: TimelineID
        /// The first position that belongs to the child.
        public var end: LSN

        /// A parent left at `end`.
        public init(timeline: TimelineID, end: LSN) {
            self.timeline = timeline
            self.end = end
        }
    }

    /// The timeline whose history this is.
    public var timeline: TimelineID
    /// Its ancestors, oldest first.
    public var forks: [Fork]

    /// A timeline with the given ancestors, oldest first.
    public init(timeline: TimelineID, forks: [Fork]) {
        self.timeline = timeline
        self.forks = forks
    }

    /// Timeline 1, or any timeline whose past is unknown.
    public static func root(_ timeline: TimelineID) -> TimelineHistory {
        TimelineHistory(timeline: timeline, forks: [])
    }

    /// Parses the content of `<timeline>.history`; nil when a line is malformed or out of order.
    public init?(timeline: TimelineID, content: String) {
        var forks: [Fork] = []
        for line in content.split(whereSeparator: \.isNewline) {
            let fields = line.split(
                maxSplits: 2,
                omittingEmptySubsequences: true,
                whereSeparator: { $0 == "\t" || $0 == " " }
            )
            guard let first = fields.first, !first.hasPrefix("#") else { continue }
            // A reason's second line does not begin with "number, LSN"; skip what is no entry.
            guard let parent = TimelineID(first), fields.count >= 2, let end = LSN(fields[1])
            else { continue }
            guard parent < timeline,
                forks.last.map({ $0.timeline < parent && $0.end <= end }) ?? true
            else { return nil }
            forks.append(Fork(timeline: parent, end: end))
        }
        self.init(timeline: timeline, forks: forks)
    }

    /// True when both can be told of one cluster: every timeline both know has the same past in
    /// both. Two servers that were each promoted to the same timeline do not agree, nor do their
    /// descendants.
    public func agrees(with other: TimelineHistory) -> Bool {
        (forks.map(\.timeline) + [timeline]).allSatisfy { known in
            guard let theirs = other.past(of: known) else { return true }
            return past(of: known) == theirs
        }
    }

    /// The ancestors of a timeline of this history; nil when it is none.
    private func past(of known: TimelineID) -> ArraySlice<Fork>? {
        if known == timeline { return forks[...] }
        return forks.firstIndex { $0.timeline == known }.map { forks[..<$0] }
    }

    /// The file name of this history.
    public var name: String { Self.name(of: timeline) }

    /// The file name of a timeline's history.
    public static func name(of timeline: TimelineID) -> String {
        hex8(UInt64(timeline)) + ".history"
    }

    /// The timeline named by a history file name; nil when it is none.
    public static func timeline(ofName name: some StringProtocol) -> TimelineID? {
        guard name.hasSuffix(".history"), name.utf8.count == 16 else { return nil }
        let digits = name.prefix(8)
        guard digits.utf8.allSatisfy({ (48...57).contains($0) || (65...70).contains($0) }) else {
            return nil
        }
        return TimelineID(digits, radix: 16)
    }

    /// The timeline that owns the byte at `position` in this history.
    public func timeline(at position: LSN) -> TimelineID {
        forks.first { position < $0.end }?.timeline ?? timeline
    }

    /// Where `ancestor` ends in this history.
    ///
    /// Nil for the timeline itself, which has no end; `LSN.zero` for one that is no ancestor at
    /// all.
    public func end(of ancestor: TimelineID) -> LSN? {
        guard ancestor != timeline else { return nil }
        return forks.first { $0.timeline == ancestor }?.end ?? .zero
    }

    /// True when a backup of `timeline` that became consistent at `position` lies on this history.
    public func contains(_ timeline: TimelineID, at position: LSN) -> Bool {
        guard let end = end(of: timeline) else { return true }
        return position <= end && end > .zero
    }
}
