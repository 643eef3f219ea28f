package import Postgres
package import Vaulting

/// Where configuration files captured outside the source's data directory lie in a copy, and how
/// the lines that name them must read there.
///
/// Files below the main file's directory keep their place relative to it; others, and those whose
/// place in the copy is taken, lie under `pgkeep-included` by their whole path. A copy can be
/// moved: lines name relative paths only, which PostgreSQL takes from the file they stand in.
package struct ConfigurationPlaces {
    /// A captured file.
    package struct File {
        package let role: SourceConfiguration.Role
        /// Its path on the source's host.
        let source: String
        /// Its path in the copy's data directory.
        package let name: String
        let attachment: Attachment
    }

    /// All captured files.
    package let files: [File]
    /// Directories named by lines that stay, which must exist in the copy.
    package private(set) var directories: Set<String> = []
    /// Files named by lines that had to be disabled, because they were not captured.
    package private(set) var missing: [String] = []
    private let present: Set<String>

    static let mainName = "postgresql.conf"
    /// Settings that only mean something on the source's host.
    static let foreign: Set<String> = [
        "data_directory", "hba_file", "ident_file", "external_pid_file",
    ]
    private static let aside = "pgkeep-included"
    private static let why = "by pgkeep restore: it names a place of the source's host"

    /// How an attachment of kind `.configuration` is called.
    package static func attachmentName(_ role: SourceConfiguration.Role, _ path: String) -> String {
        "\(role.rawValue):\(path)"
    }

    /// Places the captured files among `present`, the names at the top of the data directory.
    package init(_ attachments: [Attachment], present: Set<String>) {
        self.present = present
        typealias Captured = (role: SourceConfiguration.Role, path: String, content: Attachment)
        let captured = attachments.compactMap { attachment -> Captured? in
            guard attachment.kind == .configuration else { return nil }
            let parts = attachment.name.split(separator: ":", maxSplits: 1).map(String.init)
            guard parts.count == 2, let role = SourceConfiguration.Role(rawValue: parts[0]) else {
                return nil
            }
            // A server's answer: it must not lead out of the copy.
            return (role, Self.canonical(parts[1]), attachment)
        }
        let base = captured.first { $0.role == .main }.map { Self.parent($0.path) + "/" }
        files = captured.map { role, path, content in
            let name: String
            switch role {
            case .main: name = Self.mainName
            case .hostAccess: name = "pg_hba.conf"
            case .identMap: name = "pg_ident.conf"
            case .included: name = Self.place(of: path, below: base, present)
            }
            return File(role: role, source: path, name: name, attachment: content)
        }
    }

    /// The captured file of a role there is one of.
    func file(_ role: SourceConfiguration.Role) -> File? { files.first { $0.role == role } }

    /// The text a configuration file gets in the copy.
    ///
    /// - Parameters:
    ///   - source: its path on the source's host; nil for a file of the data directory.
    ///   - name: its path in the copy.
    ///   - isThere: whether a path in the copy leads to something.
    package mutating func adapted(
        _ text: [UInt8],
        source: String?,
        name: String,
        isThere: (String) throws -> Bool
    ) rethrows -> [UInt8] {
        try ConfigurationText.changing(text) { setting, value in
            switch setting {
            case _ where Self.foreign.contains(setting): return .disable(why: Self.why)
            case "include", "include_if_exists", "include_dir":
                return try include(setting, value, from: source, at: name, isThere)
            default:
                return RecoverySettings.superseded.contains(setting)
                    ? .disable(why: "by pgkeep restore") : .keep
            }
        }
    }

    private mutating func include(
        _ setting: String,
        _ value: String,
        from source: String?,
        at name: String,
        _ isThere: (String) throws -> Bool
    ) rethrows -> ConfigurationText.Change {
        let isDirectory = setting == "include_dir"
        let path = value.hasPrefix("/") ? value : source.map { Self.parent($0) + "/" + value }
        if let path = path.map(Self.canonical),
            let found = files.first(where: {
                (isDirectory ? Self.parent($0.source) : $0.source) == path
            })
        {
            let target = isDirectory ? Self.parent(found.name) : found.name
            let wanted = Self.relative(target, from: name)
            return wanted == value ? .keep : .replace(value: wanted, why: Self.why)
        }
        // Nothing of it was captured. A relative path may lead to a file of the data directory.
        guard !value.hasPrefix("/") else {
            if !isDirectory, setting != "include_if_exists" { missing.append(value) }
            return .disable(why: Self.why)
        }
        let inside = Self.canonical("/" + Self.parent(name) + "/" + value).dropFirst()
        if isDirectory {
            directories.insert(String(inside))
            return .keep
        }
        if try setting == "include" && !isThere(String(inside)) {
            missing.append(value)
            return .disable(why: Self.why)
        }
        return .keep
    }

    private static func place(of path: String, below base: String?, _ present: Set<String>)
        -> String
    {
        if let base, path.hasPrefix(base) {
            let name = String(path.dropFirst(base.count))
            let top = name.prefix { $0 != "/" }
            if !present.contains(String(top)) { return name }
        }
        return aside + path
    }

    /// All of a path before its last slash; empty when there is none.
    private static func parent(_ path: String) -> String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
    }

    /// `target` as a file at `name` must call it; both are relative to the data directory.
    private static func relative(_ target: String, from name: String) -> String {
        let up = name.split(separator: "/").count - 1
        let path = String(repeating: "../", count: up) + target
        return path.isEmpty ? "." : path
    }

    /// An absolute path without `.`, `..` and doubled slashes.
    private static func canonical(_ path: String) -> String {
        var parts: [Substring] = []
        for part in path.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }
}
