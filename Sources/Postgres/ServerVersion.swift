/// The version of a PostgreSQL server, as its `server_version_num`.
///
/// It chooses the dialect of the replication commands; see the methods that ask for it.
public struct ServerVersion: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// For example 150018 for 15.18.
    public var number: Int

    /// The oldest major version that is supported.
    public static let oldestSupported = 13

    /// Wraps a `server_version_num`.
    public init(number: Int) { self.number = number }

    /// The major version.
    public var major: Int { number / 10000 }

    /// `15.18`.
    public var description: String { "\(major).\(number % 10000)" }

    /// Orders by age.
    public static func < (left: ServerVersion, right: ServerVersion) -> Bool {
        left.number < right.number
    }

    /// One COPY with type bytes for the whole backup, and options in parentheses (15 and later).
    package var hasFramedBackups: Bool { major >= 15 }

    /// READ_REPLICATION_SLOT exists (15 and later).
    package var readsSlots: Bool { major >= 15 }
}
