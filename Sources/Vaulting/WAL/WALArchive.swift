public import Domain
public import Platform
public import Storage

/// What one listing says about the WAL of an instance: which segments, parts and journals exist.
///
/// A value of the moment it was loaded. Contents are looked at only when asked for.
public struct WALArchive: Sendable {
    /// One listed object.
    public struct Entry: Hashable, Sendable {
        /// Its name.
        public var name: WALObjectName
        /// Its length; of a growing journal, at the time of listing.
        public var size: UInt64
        /// When it last changed, by the store's clock.
        public var modified: Timestamp

        /// A listed object.
        public init(name: WALObjectName, size: UInt64, modified: Timestamp) {
            self.name = name
            self.size = size
            self.modified = modified
        }
    }

    /// The system.
    public let systemIdentifier: SystemIdentifier
    /// Its segment size.
    public let segmentSize: WALSegmentSize
    /// Bytes all WAL objects take.
    public let storedBytes: UInt64
    /// Names under the WAL prefix that no version of pgkeep known here makes.
    public let unknown: [ObjectName]
    let vault: Vault
    let entries: [WALSegment: [Entry]]

    /// Lists the WAL of an instance.
    public static func load(
        _ vault: Vault,
        _ system: SystemIdentifier,
        segmentSize: WALSegmentSize
    ) throws -> WALArchive {
        WALArchive(
            vault,
            system,
            segmentSize: segmentSize,
            listed: try vault.store.list(prefix: WALObjectName.prefix(system))
        )
    }

    /// True when all it listed is there still, and nothing has turned up before the end of it.
    ///
    /// A stream turns journals into segments and pruning deletes, so contents read after the
    /// listing may be of another moment than it, and a listing itself is not of one moment.
    public func isCurrent() throws -> Bool {
        let now = try Self.load(vault, systemIdentifier, segmentSize: segmentSize)
        let newest = Dictionary(grouping: entries.keys, by: \.timeline).compactMapValues {
            $0.max()
        }
        let before = now.entries.filter { segment, _ in
            newest[segment.timeline].map { segment <= $0 } ?? false
        }
        return before.mapValues { Set($0.map(\.name)) } == entries.mapValues { Set($0.map(\.name)) }
    }

    /// What a listing made before says.
    init(
        _ vault: Vault,
        _ system: SystemIdentifier,
        segmentSize: WALSegmentSize,
        listed: [ObjectInfo]
    ) {
        var entries: [WALSegment: [Entry]] = [:]
        var unknown: [ObjectName] = []
        var bytes: UInt64 = 0
        for information in listed {
            bytes += information.size
            guard let name = WALObjectName(information.name),
                let segment = WALSegment(name: name.segment, size: segmentSize)
            else {
                unknown.append(information.name)
                continue
            }
            entries[segment, default: []].append(
                Entry(name: name, size: information.size, modified: information.modified)
            )
        }
        systemIdentifier = system
        self.segmentSize = segmentSize
        storedBytes = bytes
        self.unknown = unknown
        self.vault = vault
        self.entries = entries
    }

    /// All segments of which anything is there, by timeline and number.
    public var segments: [WALSegment] { entries.keys.sorted() }

    /// The timelines of which anything is there.
    public var timelines: [TimelineID] { Set(entries.keys.map(\.timeline)).sorted() }

    /// Everything listed of one segment.
    public func entries(of segment: WALSegment) -> [Entry] { entries[segment] ?? [] }

    /// True when the whole segment is archived.
    public func isSealed(_ segment: WALSegment) -> Bool { sealed(segment) != nil }

    /// How many whole segments there are.
    public var sealedCount: Int { entries.keys.count { isSealed($0) } }

    /// The journals and parts of a segment: what a new journal of it supersedes.
    public func leftovers(of segment: WALSegment) -> [Entry] {
        entries(of: segment).filter { entry in
            switch entry.name.form {
            case .journal, .part: true
            case .sealed, .alternate: false
            }
        }
    }

    /// Contents kept aside because they contradict archived ones: each is an alarm.
    public var alternates: [Entry] {
        segments.flatMap(entries(of:)).filter {
            if case .alternate = $0.name.form { true } else { false }
        }
    }

    /// Where a stream of a server with this history continues the archive; nil when nothing of its
    /// history is archived.
    ///
    /// The newest segment on the history decides, on its highest timeline: behind it when it is
    /// whole, at its start when it is not (a journal is always received again from the first byte).
    /// What lies beyond a fork is nobody's past, however far it goes.
    public func resumption(
        on history: TimelineHistory
    ) -> (timeline: TimelineID, position: LSN)? {
        guard let newest = newest(on: history, before: nil) else { return nil }
        return (newest.timeline, isSealed(newest) ? newest.end : newest.start)
    }

    /// Where what is durable of the segments before `limit` ends on a server with this history, and
    /// on which timeline the next byte was written; nil when nothing of it is archived.
    public func durableEnd(
        before limit: LSN,
        on history: TimelineHistory
    ) throws -> (timeline: TimelineID, position: LSN)? {
        guard let newest = newest(on: history, before: limit) else { return nil }
        let end = try durableEnd(of: newest.timeline, from: newest.start) ?? newest.start
        guard let fork = history.end(of: newest.timeline), end >= fork else {
            return (newest.timeline, end)
        }
        return (history.timeline(at: fork), fork)
    }

    private func newest(on history: TimelineHistory, before limit: LSN?) -> WALSegment? {
        entries.keys.filter { segment in
            (isSealed(segment) || !leftovers(of: segment).isEmpty)
                && (limit.map { segment.start < $0 } ?? true)
                && (history.end(of: segment.timeline).map { segment.start < $0 } ?? true)
        }.max { ($0.number, $0.timeline) < ($1.number, $1.timeline) }
    }

    /// The position after the last byte that is durable without a hole from `start` on, on one
    /// timeline and reading journals to their end; nil when the byte at `start` is not there.
    public func durableEnd(of timeline: TimelineID, from start: LSN) throws -> LSN? {
        var segment = WALSegment(timeline: timeline, containing: start, size: segmentSize)
        var end: LSN?
        while isSealed(segment) {
            end = segment.end
            segment = segment.next
        }
        let reader = WALSegmentReader(vault, systemIdentifier)
        if !leftovers(of: segment).isEmpty, let length = try reader.length(of: segment.name),
            length > 0
        {
            end = segment.start + length
        }
        return end.flatMap { $0 > start ? $0 : nil }
    }

    /// Removes journals and parts whose segment is archived whole and agrees with them; those that
    /// do not agree are kept aside. Returns the alarms. Journals of living sessions are left alone.
    public func removeSuperseded(
        successor: PointID,
        clock: any Clock = SystemClock()
    ) throws -> [WALDivergence] {
        var alarms: [WALDivergence] = []
        for segment in segments {
            guard let whole = sealed(segment) else { continue }
            for entry in leftovers(of: segment) {
                let leftover = try WALLeftover(vault, entry, successor: successor, clock: clock)
                let alarm = try leftover?.settle(vault, segment) {
                    try WALObjectReader(vault, whole.name, size: whole.size)
                }
                if let alarm { alarms.append(alarm) }
            }
        }
        return alarms
    }

    func sealed(_ segment: WALSegment) -> Entry? {
        entries(of: segment).first { $0.name.form == .sealed }
    }
}
