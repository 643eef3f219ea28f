/// A file of a relation, recognised by its path in the data directory.
///
/// Only such files consist of pages. Directories: `global`, `base/<db>` and
/// `pg_tblspc/<oid>/PG_<major>_<catver>/<db>`; names: a number, optional fork, optional segment;
/// of temporary relations led by `t<backend>_`. Source: parse_filename_for_nontemp_relation (17+).
public struct RelationPath: Hashable, Sendable {
    /// The forks of a relation.
    public enum Fork: String, Hashable, Sendable {
        /// The data itself.
        case main = ""
        /// Free space.
        case freeSpace = "fsm"
        /// All-visible bits.
        case visibility = "vm"
        /// What an unlogged relation is reset to.
        case initial = "init"
    }

    /// The tablespace's oid; nil for `base` and `global`.
    public var tablespace: UInt32?
    /// The database's oid; nil in `global`.
    public var database: UInt32?
    /// The number of the relation's files.
    public var number: UInt32
    /// Which fork.
    public var fork: Fork
    /// Which file of the fork: 0 for the first, then counted by the `.N` of the name.
    public var segment: UInt32
    /// True for a temporary relation.
    public var isTemporary: Bool

    /// Pages of one full file.
    public static let segmentPages: UInt32 = 131_072

    /// Recognises a path relative to the data directory; nil when it is no file of a relation.
    public init?(_ path: [UInt8]) {
        guard
            let parts = String(validating: path, as: UTF8.self)?
                .split(separator: "/", omittingEmptySubsequences: false)
        else { return nil }
        switch parts.count {
        case 2 where parts[0] == "global": break
        case 3 where parts[0] == "base":
            guard let oid = Self.oid(parts[1]) else { return nil }
            database = oid
        case 5 where parts[0] == "pg_tblspc":
            guard let space = Self.oid(parts[1]), Self.isVersionDirectory(parts[2]),
                let oid = Self.oid(parts[3])
            else { return nil }
            tablespace = space
            database = oid
        default: return nil
        }
        guard let name = parts.last else { return nil }
        var rest = name
        isTemporary = rest.first == "t"
        if isTemporary {
            // Backend numbers may be 0.
            guard let bar = rest.firstIndex(of: "_"),
                Self.number(rest[rest.index(after: rest.startIndex)..<bar]) != nil
            else { return nil }
            rest = rest[rest.index(after: bar)...]
        }
        segment = 0
        if let dot = rest.firstIndex(of: ".") {
            guard let number = Self.oid(rest[rest.index(after: dot)...]) else { return nil }
            segment = number
            rest = rest[..<dot]
        }
        fork = .main
        if let bar = rest.firstIndex(of: "_") {
            guard let named = Fork(rawValue: String(rest[rest.index(after: bar)...])),
                named != .main
            else { return nil }
            fork = named
            rest = rest[..<bar]
        }
        guard let number = Self.oid(rest) else { return nil }
        self.number = number
    }

    /// The number within the relation's fork of this file's first page, which page checksums use.
    public var firstBlock: UInt32 { segment &* Self.segmentPages }

    // 1 to 4294967295, without leading zero.
    private static func oid(_ text: Substring) -> UInt32? {
        guard text.utf8.first != UInt8(ascii: "0") else { return nil }
        return number(text)
    }

    private static func number(_ text: Substring) -> UInt32? {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return UInt32(text)
    }

    private static func isVersionDirectory(_ text: Substring) -> Bool {
        let parts = text.split(separator: "_", omittingEmptySubsequences: false)
        return parts.count == 3 && parts[0] == "PG" && oid(parts[1]) != nil && oid(parts[2]) != nil
    }
}
