public import Domain
public import Storage

/// The names of a vault's objects, made and understood in one place.
public enum VaultNames {
    /// The clear file every vault begins with.
    public static let vaultFile: ObjectName = "vault.json"
    /// Where wrapped keys are.
    public static let keyPrefix = "key/"
    /// Where everything about instances is.
    public static let instancesPrefix = "c/"
    /// Where control records are.
    public static let recordsPrefix = "r/"
    /// Where jobs are.
    public static let jobsPrefix = "j/"
    /// Where the activity log is.
    public static let activityPrefix = "a/"

    /// A wrapped copy of an epoch's keys.
    public static func key(epoch: UInt32, slot: UInt32) -> ObjectName {
        ObjectName("\(keyPrefix)\(epoch).\(slot)")
    }

    /// There while an epoch is being made: nothing of the epoch counts yet.
    static func pendingEpoch(_ epoch: UInt32) -> ObjectName {
        ObjectName("\(keyPrefix)\(epoch).pending")
    }

    /// Everything of one instance; ends with a slash.
    public static func prefix(_ system: SystemIdentifier) -> String {
        "\(instancesPrefix)\(system.hex)/"
    }

    /// Roots and tombstones of one instance.
    public static func rootPrefix(_ system: SystemIdentifier) -> String { prefix(system) + "rp/" }

    /// The root of a point: writing it is the commit.
    public static func root(_ system: SystemIdentifier, _ point: PointID) -> ObjectName {
        ObjectName(rootPrefix(system) + point.description)
    }

    /// Condemned markers of one instance.
    public static func gonePrefix(_ system: SystemIdentifier) -> String { prefix(system) + "gone/" }

    /// A point's condemned marker.
    public static func gone(_ system: SystemIdentifier, _ point: PointID) -> ObjectName {
        ObjectName(gonePrefix(system) + point.description)
    }

    /// Leases of one instance.
    public static func leasePrefix(_ system: SystemIdentifier) -> String {
        prefix(system) + "lease/"
    }

    /// A session's lease.
    public static func lease(_ system: SystemIdentifier, _ session: PointID) -> ObjectName {
        ObjectName(leasePrefix(system) + session.description)
    }

    /// Packs of one instance, or of one session of it.
    public static func packPrefix(
        _ system: SystemIdentifier,
        session: PointID? = nil
    ) -> String {
        prefix(system) + "pack/" + (session.map { "\($0)/" } ?? "")
    }

    /// A pack.
    public static func pack(_ system: SystemIdentifier, _ id: PackID) -> ObjectName {
        ObjectName(packPrefix(system, session: id.session) + hex8(id.number))
    }

    /// Drafts of one instance.
    public static func draftPrefix(_ system: SystemIdentifier) -> String {
        prefix(system) + "draft/"
    }

    /// A draft of a root.
    public static func draft(
        _ system: SystemIdentifier,
        _ session: PointID,
        _ number: UInt32
    ) -> ObjectName {
        ObjectName("\(draftPrefix(system))\(session)/\(hex8(number))")
    }

    /// Jobs at one stage of their way, or wishes to cancel them.
    public static func jobPrefix(_ stage: JobStage) -> String { "\(jobsPrefix)\(stage.rawValue)/" }

    /// A job at one stage of its way.
    public static func job(_ stage: JobStage, _ id: JobID) -> ObjectName {
        ObjectName(jobPrefix(stage) + id.description)
    }

    /// An entry of the activity log.
    public static func activity(_ number: UInt64) -> ObjectName {
        ObjectName(activityPrefix + decimal10(number))
    }

    /// Eight lower-case hexadecimal digits.
    public static func hex8(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 8 - digits.utf8.count) + digits
    }
}

/// Which object of a job: there is one for each stage it has come to.
public enum JobStage: String, Hashable, Sendable, CaseIterable {
    /// Asked for.
    case queued
    /// Being done: replaced as it gets on.
    case live
    /// Ended; written once.
    case done
    /// An operator's wish that it be cancelled.
    case stop
}

/// What a name says about its object: enough to open and to count it.
public enum ObjectPlace: Hashable, Sendable {
    /// `vault.json`.
    case vaultFile
    /// A key slot.
    case keySlot
    /// A point's root or a tombstone in its place.
    case root(SystemIdentifier, PointID)
    /// A condemned marker.
    case gone(SystemIdentifier, PointID)
    /// A lease.
    case lease(SystemIdentifier, PointID)
    /// A draft of a root.
    case draft(SystemIdentifier, PointID)
    /// A pack.
    case pack(SystemIdentifier, PackID)
    /// A WAL object: segment, part, journal.
    case wal(SystemIdentifier)
    /// A timeline history file.
    case history(SystemIdentifier)
    /// A claim.
    case claim(SystemIdentifier)
    /// A control record.
    case record
    /// A job at one of its stages.
    case job(JobStage, JobID)
    /// An entry of the activity log, by its number.
    case activity(UInt64)
    /// Nothing a vault of this version writes.
    case unknown

    /// Reads a name.
    public init(_ name: ObjectName) {
        let parts = name.text.split(separator: "/", omittingEmptySubsequences: false)
        self = Self.place(parts) ?? .unknown
    }

    private static func place(_ parts: [Substring]) -> ObjectPlace? {
        if parts == ["vault.json"] { return .vaultFile }
        if parts.first == "key", parts.count == 2 { return .keySlot }
        if parts.first == "r", parts.count >= 3 { return .record }
        if parts.first == "j", parts.count == 3, let stage = JobStage(rawValue: String(parts[1])),
            let id = JobID(parts[2])
        {
            return .job(stage, id)
        }
        if parts.first == "a", parts.count == 2, let number = UInt64(parts[1]), number > 0,
            decimal10(number) == parts[1]
        {
            return .activity(number)
        }
        guard parts.first == "c", parts.count >= 4, let system = SystemIdentifier(hex: parts[1])
        else { return nil }
        switch parts[2] {
        case "wal": return .wal(system)
        case "history": return .history(system)
        case "claim": return .claim(system)
        default: break
        }
        guard let session = PointID(parts[3]) else { return nil }
        switch (parts[2], parts.count) {
        case ("rp", 4): return .root(system, session)
        case ("gone", 4): return .gone(system, session)
        case ("lease", 4): return .lease(system, session)
        case ("draft", 5): return .draft(system, session)
        case ("pack", 5):
            guard let number = UInt32(parts[4], radix: 16), VaultNames.hex8(number) == parts[4]
            else { return nil }
            return .pack(system, PackID(session: session, number: number))
        default: return nil
        }
    }

    /// The instance it belongs to, or nil.
    public var system: SystemIdentifier? {
        switch self {
        case .root(let system, _), .gone(let system, _), .lease(let system, _),
            .draft(let system, _), .pack(let system, _), .wal(let system), .history(let system),
            .claim(let system):
            system
        case .vaultFile, .keySlot, .record, .job, .activity, .unknown: nil
        }
    }

    /// True for what stays of an instance that is deleted for good.
    var isMarker: Bool {
        switch self {
        case .gone, .claim: true
        default: false
        }
    }

    /// The kinds a sealed object of this name may have; empty when it is none.
    public var kinds: [ObjectKind] {
        switch self {
        case .root: [.root, .tombstone]
        case .gone: [.gone]
        case .lease: [.lease]
        case .draft: [.draft]
        case .pack: [.pack]
        case .wal: [.wal]
        case .history: [.history]
        case .claim: [.claim]
        case .record: [.record]
        case .job: [.job]
        case .activity: [.activity]
        case .vaultFile, .keySlot, .unknown: []
        }
    }
}
