public import Domain

/// The `tablespace_map` of a base backup: where startup links the tablespaces to.
///
/// One line a tablespace, `<oid> <path>`; newlines and returns in paths are led by a backslash,
/// and from PostgreSQL 14 on backslashes are too. Source: do_pg_backup_start, read_tablespace_map.
public struct TablespaceMap: Hashable, Sendable {
    /// One tablespace outside the data directory.
    public struct Entry: Hashable, Sendable {
        /// The number that names its link in `pg_tblspc`.
        public var oid: UInt32
        /// The directory it lies in, raw.
        public var path: [UInt8]

        /// A tablespace.
        public init(oid: UInt32, path: [UInt8]) {
            self.oid = oid
            self.path = path
        }
    }

    /// The tablespaces in file order.
    public var entries: [Entry]

    /// A map of the given tablespaces.
    public init(entries: [Entry]) { self.entries = entries }

    /// Reads the file a server of the given release wrote; throws `source.broken`.
    public init(_ bytes: [UInt8], majorVersion: Int) throws(PgkeepError) {
        entries = []
        var line: [UInt8] = []
        var isEscaped = false
        for byte in bytes {
            let endsLine = byte == 0x0a || byte == 0x0d
            if isEscaped {
                // Up to 13 a backslash before anything else is just a backslash.
                if !endsLine && majorVersion < 14 { line.append(0x5c) }
                isEscaped = byte == 0x5c && majorVersion < 14
                if !isEscaped { line.append(byte) }
            } else if byte == 0x5c {
                isEscaped = true
            } else if endsLine {
                if !line.isEmpty { entries.append(try Self.entry(line)) }
                line = []
            } else {
                line.append(byte)
            }
        }
        guard line.isEmpty, !isEscaped else { throw Self.broken() }
    }

    /// The file for a server of the given release.
    public func encoded(majorVersion: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        for entry in entries {
            bytes.append(contentsOf: "\(entry.oid) ".utf8)
            for byte in entry.path {
                let isSpecial = byte == 0x0a || byte == 0x0d || (byte == 0x5c && majorVersion >= 14)
                if isSpecial { bytes.append(0x5c) }
                bytes.append(byte)
            }
            bytes.append(0x0a)
        }
        return bytes
    }

    /// The same tablespaces with those named in `directories` put there.
    ///
    /// Throws `usage` for an oid this map does not have.
    public func remapped(_ directories: [UInt32: String]) throws(PgkeepError) -> TablespaceMap {
        for oid in directories.keys.sorted() where !entries.contains(where: { $0.oid == oid }) {
            let known = entries.map { String($0.oid) }.joined(separator: ", ")
            throw PgkeepError(
                .usage,
                "the backup has no tablespace \(oid)",
                hint: known.isEmpty ? "it has no tablespaces" : "it has these: \(known)"
            )
        }
        return TablespaceMap(
            entries: entries.map { entry in
                guard let directory = directories[entry.oid] else { return entry }
                return Entry(oid: entry.oid, path: Array(directory.utf8))
            }
        )
    }

    private static func entry(_ line: [UInt8]) throws(PgkeepError) -> Entry {
        guard let space = line.firstIndex(of: 0x20), space + 1 < line.count,
            let oid = UInt32(String(decoding: line[..<space], as: UTF8.self)), oid > 0
        else { throw broken() }
        return Entry(oid: oid, path: Array(line[(space + 1)...]))
    }

    private static func broken() -> PgkeepError {
        PgkeepError(
            .sourceBroken,
            "tablespace_map is broken: a line is no tablespace",
            hint: "take the backup again"
        )
    }
}
