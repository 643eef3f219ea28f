public import Domain
public import Platform

/// How much of a vault a check looks at: everything, or a share of it that goes round by and by.
///
/// What was never looked at comes first, then what was not looked at for the longest time. Names,
/// sizes, roots, key slots and other small objects are looked at in any case.
public struct ScrubPlan: Sendable {
    /// What is known of earlier checks, by instance.
    public var history: [SystemIdentifier: ScrubRecord] = [:]
    /// What was looked at since then is left out; nil leaves nothing out.
    public var since: Timestamp?
    /// Bytes after which nothing more is begun.
    public var budgetBytes: UInt64?
    /// Seconds after which nothing more is begun.
    public var budgetSeconds: Double?
    /// The time.
    public var clock: any Clock = SystemClock()

    /// A check of everything.
    public init() {}
}

/// When which objects and points of an instance were last looked at: what lets the next check go on
/// where the last one ended. A control record of kind `scrub`, its id the system identifier.
///
/// Small however many objects there are: neighbours by name share an entry.
public struct ScrubRecord: Hashable, Sendable, Codable {
    /// Sound objects that follow each other by name.
    public struct Stretch: Hashable, Sendable, Codable {
        /// The first name.
        public var from: String
        /// The last name.
        public var to: String
        /// When the check began that looked at them; objects written later are not meant.
        public var at: Timestamp
    }

    /// A point whose pages were looked at.
    public struct Point: Hashable, Sendable, Codable {
        /// The point.
        public var id: PointID
        /// When the check began that looked at its first page.
        public var at: Timestamp
        /// The path, in hexadecimal digits, to go on at; nil when all of it was looked at.
        public var next: String?
    }

    /// Sound objects, by name.
    public internal(set) var stretches: [Stretch] = []
    /// Points, oldest first.
    public internal(set) var points: [Point] = []

    /// So many stretches are kept at most.
    package static let stretchesMax = 256

    /// Nothing was looked at yet.
    public init() {}

    /// When the object was last found sound; nil when it never was, or was written since.
    package func checked(_ name: String, modified: Timestamp) -> Timestamp? {
        var low = 0
        var high = stretches.count
        while low < high {
            let middle = (low + high) / 2
            if stretches[middle].to < name { low = middle + 1 } else { high = middle }
        }
        guard low < stretches.count, stretches[low].from <= name, modified < stretches[low].at
        else { return nil }
        return stretches[low].at
    }

    /// Replaces the stretches by what is known of all objects, given in the order of their names.
    package mutating func set(_ objects: [(name: String, at: Timestamp?)]) {
        stretches = []
        var isOpen = false
        for (name, at) in objects {
            guard let at else {
                isOpen = false
                continue
            }
            if isOpen, stretches[stretches.count - 1].at == at {
                stretches[stretches.count - 1].to = name
            } else {
                stretches.append(Stretch(from: name, to: name, at: at))
            }
            isOpen = true
        }
        guard stretches.count > Self.stretchesMax else { return }
        // Many come of many small budgets. What is forgotten was to be looked at next anyway.
        stretches = Array(
            stretches.sorted { ($0.at, $0.from) < ($1.at, $1.from) }
                .suffix(Self.stretchesMax)
        ).sorted { $0.from < $1.from }
    }
}

extension Vault {
    /// What is known of earlier checks, by system identifier.
    public func scrubs(clock: any Clock = SystemClock()) -> RecordStore<ScrubRecord> {
        RecordStore(self, kind: "scrub", clock: clock)
    }
}
