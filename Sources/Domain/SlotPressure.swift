/// How close the WAL that a replication slot keeps on its server is to doing harm: to filling the
/// server's disk, or to being lost before the vault has it. Pure.
public struct SlotPressure: Hashable, Sendable {
    /// Bytes of WAL the slot keeps.
    public var retainedBytes: UInt64
    /// Bytes that may still be written before the slot is lost; nil: unlimited, or not known.
    public var safeBytes: UInt64?
    /// The server's word for the slot's state; nil: not known.
    public var state: String?
    /// Bytes at which the slot is given up; nil: never.
    public var limitBytes: UInt64?

    /// Kept without any limit, this much is worth a word.
    public static let unlimitedBytes: UInt64 = 16 << 30

    /// What is known of a slot.
    public init(
        retainedBytes: UInt64,
        safeBytes: UInt64? = nil,
        state: String? = nil,
        limitBytes: UInt64? = nil
    ) {
        self.retainedBytes = retainedBytes
        self.safeBytes = safeBytes
        self.state = state
        self.limitBytes = limitBytes
    }

    /// True when the slot is to be dropped so that the server keeps running.
    public var isGivenUp: Bool { limitBytes.map { retainedBytes > $0 } ?? false }

    /// What should be known early, in one line; nil when all is well.
    public var warning: String? {
        if state == "lost" { return "the replication slot is lost: the server keeps no WAL for us" }
        if state == "unreserved" {
            return "the server may remove WAL the vault lacks at its next checkpoint"
        }
        let kept = "the slot keeps \(Self.words(retainedBytes)) of WAL on the server"
        if let safeBytes, safeBytes < (retainedBytes + safeBytes) / 4 {
            return "\(kept) and is lost after \(Self.words(safeBytes)) more"
        }
        if let limitBytes, retainedBytes > limitBytes - limitBytes / 4 {
            return "\(kept) and is given up at \(Self.words(limitBytes))"
        }
        if safeBytes == nil, limitBytes == nil, retainedBytes > Self.unlimitedBytes {
            return "\(kept), and nothing limits that"
        }
        return nil
    }

    private static func words(_ bytes: UInt64) -> String { "\(bytes >> 20) MiB" }
}
