import Domain
import Platform
import Vaulting

/// Gives a copy the configuration it starts with: files the source kept outside its data directory,
/// put into it, and the settings of this restore behind all others.
struct RestoredConfiguration {
    let reader: PointReader
    let directory: String
    let owner: UserAccount?
    let manifest: RestoredManifest

    /// Names that only mean something on the source's host.
    private static let foreign: Set<String> = [
        "data_directory", "hba_file", "ident_file", "external_pid_file",
    ]
    private static let why = "disabled by pgkeep restore: it names a place of the source's host"

    /// Puts back configuration files captured from outside the data directory. Returns what should
    /// be known.
    func putBack(present: Set<String>) throws -> [String] {
        guard !present.contains("postgresql.conf") else { return [] }
        let captured = reader.root.attachments.filter { $0.kind == .configuration }
            .compactMap(Captured.init)
        guard let main = captured.first(where: { $0.role == "main" }) else {
            return try writeMinimal(present)
        }
        let base = FileSystem.parent(of: main.path) ?? "/"
        var text = ConfigurationText.disabling(
            Self.foreign.union(RecoverySettings.superseded),
            in: try self.text(main),
            why: Self.why
        )
        for file in captured where file.role != "main" {
            var name = file.path.split(separator: "/").last.map(String.init) ?? "included.conf"
            switch file.role {
            case "hostAccess": name = "pg_hba.conf"
            case "identMap": name = "pg_ident.conf"
            default:
                // Below the main file, the relative place is kept; elsewhere, the main file's
                // mention of the path is turned to the new place.
                if file.path.hasPrefix(base + "/") {
                    name = String(file.path.dropFirst(base.count + 1))
                } else {
                    text = text.split(separator: file.path, omittingEmptySubsequences: false)
                        .joined(separator: name)
                }
            }
            guard !present.contains(name) else { continue }
            let bytes = ConfigurationText.disabling(
                Self.foreign.union(RecoverySettings.superseded),
                in: try self.text(file),
                why: Self.why
            )
            try write(name, bytes)
        }
        if let included = ConfigurationText.value(of: "include_dir", in: text) {
            if included.hasPrefix("/") {
                text = ConfigurationText.disabling(["include_dir"], in: text, why: Self.why)
            } else {
                try FileSystem.makeDirectories(directory + "/" + included)
                try owner?.takeOwnership(of: directory + "/" + included)
            }
        }
        try write("postgresql.conf", text)
        guard
            captured.contains(where: { $0.role == "hostAccess" }) || present.contains("pg_hba.conf")
        else { return try writeMinimalAccess(present) }
        return []
    }

    /// The value `name` has in the copy's own files, before this restore's settings.
    func value(of name: String, in written: [String: [UInt8]]) throws -> String? {
        var found: String?
        for file in ["postgresql.conf", "postgresql.auto.conf"] {
            var bytes = written[file]
            if bytes == nil, try FileSystem.info(directory + "/" + file) != nil {
                bytes = try FileSystem.readFile(directory + "/" + file)
            }
            guard let bytes else { continue }
            let text = String(decoding: bytes, as: UTF8.self)
            found = ConfigurationText.value(of: name, in: text) ?? found
        }
        return found
    }

    /// Appends the settings to `postgresql.auto.conf` and makes the copy recover when started.
    /// Neither file is in a manifest's care.
    func append(_ settings: RecoverySettings, heading: String) throws {
        let path = directory + "/postgresql.auto.conf"
        var content: [UInt8] = []
        if try FileSystem.info(path) != nil { content = try FileSystem.readFile(path) }
        content += Array(settings.text(heading: heading).utf8)
        try FileSystem.writeAtomically(path, content, mode: 0o600)
        try owner?.takeOwnership(of: path)
        let signal = directory + "/recovery.signal"
        _ = try File(signal, .create(0o600))
        try owner?.takeOwnership(of: signal)
        // A copy of a standby would go on as one.
        try FileSystem.removeFile(directory + "/standby.signal")
    }

    private struct Captured {
        var role: String
        var path: String
        var attachment: Attachment

        /// Attachments of this kind are named `role:path`.
        init?(_ attachment: Attachment) {
            let parts = attachment.name.split(separator: ":", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { return nil }
            (role, path) = (parts[0], parts[1])
            self.attachment = attachment
        }
    }

    private func text(_ file: Captured) throws -> String {
        String(decoding: try reader.bytes(of: file.attachment), as: UTF8.self)
    }

    private func writeMinimal(_ present: Set<String>) throws -> [String] {
        try write("postgresql.conf", "# The source's own configuration was not captured.\n")
        return [
            "the source's postgresql.conf lies outside its data directory and was not captured;"
                + " the copy starts with PostgreSQL's defaults"
        ]
            + (present.contains("pg_hba.conf") ? [] : try writeMinimalAccess(present))
    }

    private func writeMinimalAccess(_ present: Set<String>) throws -> [String] {
        try write("pg_hba.conf", "local all all peer\n")
        if !present.contains("pg_ident.conf") { try write("pg_ident.conf", "") }
        return [
            "the source's pg_hba.conf was not captured; the copy lets in local users by their"
                + " system name only"
        ]
    }

    private func write(_ name: String, _ text: String) throws {
        let path = directory + "/" + name
        if let parent = FileSystem.parent(of: path), parent != directory {
            try FileSystem.makeDirectories(parent)
            try owner?.takeOwnership(of: parent)
        }
        let bytes = Array(text.utf8)
        let file = try File(path, .create(0o600))
        try bytes.withUnsafeBytes { try file.write($0, at: 0) }
        try owner?.takeOwnership(of: path)
        try manifest.add(
            Array(name.utf8),
            size: UInt64(bytes.count),
            crc32c: bytes.withUnsafeBytes { CRC32C.of($0) },
            modified: reader.point.finishedAt.seconds
        )
    }
}
