public import Domain

/// The configuration files a server keeps outside its data directory, which no base backup holds.
///
/// Treat the contents as secrets: they may hold passwords of other servers.
public struct SourceConfiguration: Sendable {
    /// What a file is for.
    public enum Role: String, Sendable {
        /// The main configuration file.
        case main
        /// Client authentication.
        case hostAccess
        /// User name maps.
        case identMap
        /// A file one of the others includes.
        case included
    }

    /// One file.
    public struct File: Sendable {
        /// What it is for.
        public var role: Role
        /// Where it lies on the server.
        public var path: String
        /// Its bytes; nil when the role may not read them.
        public var content: [UInt8]?

        init(role: Role, path: String) {
            self.role = role
            self.path = path
        }
    }

    /// The data directory; nil when the role may not see it.
    public var dataDirectory: String?
    /// The files outside the data directory, sorted by path.
    public var files: [File]
    /// What could not be captured, with the GRANT that helps.
    public var findings: [Preflight.Finding]

    /// A file larger than this is no configuration file.
    private static let bytesMax = 8 << 20

    /// Reads over an SQL connection what the role may read; what it may not becomes a finding.
    public static func capture(_ connection: Connection) throws(PgkeepError) -> SourceConfiguration
    {
        let role = SQL.identifier(connection.settings.user)
        var found = SourceConfiguration(dataDirectory: nil, files: [], findings: [])
        found.dataDirectory = try connection.setting("data_directory")
        guard let directory = found.dataDirectory else {
            found.findings.append(
                Preflight.Finding(
                    .warning,
                    .sourcePrivilege,
                    "the role may not see where configuration files are",
                    fix: "GRANT pg_read_all_settings, pg_read_server_files TO \(role);"
                )
            )
            return found
        }
        var paths: [String: Role] = [:]
        for (setting, role) in [
            ("config_file", Role.main), ("hba_file", .hostAccess), ("ident_file", .identMap),
        ] {
            if let path = try connection.setting(setting), !path.isEmpty { paths[path] = role }
        }
        for path in try found.included(connection, role) where paths[path] == nil {
            paths[path] = .included
        }
        var waiting = paths.sorted { $0.key < $1.key }.map { File(role: $1, path: $0) }
        var optional: Set<String> = []
        while var file = waiting.popLast() {
            let isOutside = !file.path.hasPrefix(directory + "/")
            // Files of the data directory come with the backup; the main one is read for what it
            // includes: a file that only includes others is in no view.
            guard isOutside || file.role == .main else { continue }
            let findings = found.findings
            file.content = try found.content(of: file.path, connection, role)
            if !isOutside || (file.content == nil && optional.contains(file.path)) {
                found.findings = findings
            }
            for (path, isOptional) in includes(in: file) where paths[path] == nil {
                paths[path] = .included
                if isOptional { optional.insert(path) }
                waiting.append(File(role: .included, path: path))
            }
            if isOutside { found.files.append(file) }
        }
        found.files.sort { $0.path < $1.path }
        return found
    }

    /// The files that lines of a configuration file include, as absolute paths.
    private static func includes(in file: File) -> [(path: String, isOptional: Bool)] {
        guard file.role == .main || file.role == .included, let content = file.content else {
            return []
        }
        let place = file.path.prefix(through: file.path.lastIndex(of: "/") ?? file.path.startIndex)
        return ConfigurationText.settings(in: content).compactMap { name, value in
            guard name == "include" || name == "include_if_exists" else { return nil }
            return (value.hasPrefix("/") ? value : place + value, name == "include_if_exists")
        }
    }

    /// Files other files include, from the views that tell.
    private mutating func included(
        _ connection: Connection,
        _ role: String
    ) throws(PgkeepError) -> Set<String> {
        let version = connection.serverVersion.major
        var sources = [("pg_file_settings", "sourcefile", "pg_show_all_file_settings")]
        if version >= 16 {
            sources.append(("pg_hba_file_rules", "file_name", "pg_hba_file_rules"))
            sources.append(("pg_ident_file_mappings", "file_name", "pg_ident_file_mappings"))
        }
        var paths: Set<String> = []
        for (view, column, function) in sources {
            do throws(PgkeepError) {
                let rows = try connection.query(
                    "SELECT DISTINCT \(column) FROM pg_catalog.\(view) WHERE \(column) IS NOT NULL"
                ).rows
                for row in rows { if let path = row.first ?? nil { paths.insert(path) } }
            } catch  where error.postgres?.sqlstate == "42501" {
                findings.append(
                    Preflight.Finding(
                        .warning,
                        .sourcePrivilege,
                        "\(view) cannot be read: files included are missed",
                        fix: "GRANT SELECT ON \(view) TO \(role);"
                            + " GRANT EXECUTE ON FUNCTION \(function)() TO \(role);"
                    )
                )
            }
        }
        return paths
    }

    private mutating func content(
        of path: String,
        _ connection: Connection,
        _ role: String
    ) throws(PgkeepError) -> [UInt8]? {
        do throws(PgkeepError) {
            let text = try connection.query(
                "SELECT pg_catalog.encode(pg_catalog.pg_read_binary_file(\(SQL.literal(path)), 0, "
                    + "\(Self.bytesMax)), 'hex')"
            ).first
            return text.flatMap(Self.bytes)
        } catch  where ["42501", "58P01"].contains(error.postgres?.sqlstate) {
            let isMissing = error.postgres?.sqlstate == "58P01"
            findings.append(
                Preflight.Finding(
                    isMissing ? .note : .warning,
                    .sourcePrivilege,
                    "\(path) \(isMissing ? "does not exist" : "cannot be read"): not captured",
                    fix: isMissing
                        ? "nothing, unless the file should be there"
                        : "GRANT pg_read_server_files TO \(role); GRANT EXECUTE ON FUNCTION"
                            + " pg_read_binary_file(text, bigint, bigint) TO \(role);"
                )
            )
            return nil
        }
    }

    private static func bytes(hex: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(hex.utf8.count / 2)
        var high: UInt8?
        for digit in hex.utf8 {
            let value: UInt8
            switch digit {
            case 48...57: value = digit - 48
            case 97...102: value = digit - 87
            default: return nil
            }
            if let first = high {
                bytes.append(first << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        return high == nil ? bytes : nil
    }
}
