import Domain
import Platform
import Postgres
import Vaulting

/// Gives a copy the configuration it starts with: its own files and those the source kept outside
/// its data directory, adapted to this place, and the settings of this restore behind all others.
struct RestoredConfiguration {
    let reader: PointReader
    let directory: String
    let owner: UserAccount?
    let manifest: RestoredManifest
    let edits: RestoreEdits

    /// As deep as PostgreSQL follows includes.
    private static let includeDepthMax = 10

    /// Writes the configuration files. Returns what should be known.
    func write() throws -> [String] {
        let present = Set(try FileSystem.list(directory) ?? [])
        var places = ConfigurationPlaces(reader.root.attachments, present: present)
        var warnings: [String] = []
        for file in places.files where file.role == .included {
            let text = try adapted(try reader.bytes(of: file.attachment), of: file, &places)
            try write(file.name, text)
        }
        warnings += try writeMain(&places)
        warnings += try writeAccess(places)
        for name in places.directories {
            try makeDirectories(name.split(separator: "/").map(String.init))
        }
        return warnings
            + places.missing.map {
                "\($0), which the configuration includes, was not captured; the copy does without"
            }
    }

    private func writeMain(_ places: inout ConfigurationPlaces) throws -> [String] {
        let name = ConfigurationPlaces.mainName
        let own = edits.takeConfiguration(name)
        if let main = places.file(.main) {
            let content = try reader.bytes(of: main.attachment)
            try write(name, try adapted(content, of: main, &places))
            return []
        }
        guard let own else {
            try write(name, Array("# The source's own configuration was not captured.\n".utf8))
            return [
                "the source's postgresql.conf lies outside its data directory and was not captured;"
                    + " the copy starts with PostgreSQL's defaults"
            ]
        }
        let text = try places.adapted(own.content, source: nil, name: name, isThere: isThere)
        try write(name, text, mode: own.mode, modified: own.modified)
        return []
    }

    /// The files that say who may connect. A captured one counts: the server used it, whatever else
    /// lies in the data directory.
    private func writeAccess(_ places: ConfigurationPlaces) throws -> [String] {
        var warnings: [String] = []
        let defaults = [
            (SourceConfiguration.Role.hostAccess, "pg_hba.conf", "local all all peer\n"),
            (.identMap, "pg_ident.conf", ""),
        ]
        for (role, name, substitute) in defaults {
            let own = edits.takeConfiguration(name)
            if let file = places.file(role) {
                var text = String(decoding: try reader.bytes(of: file.attachment), as: UTF8.self)
                for other in places.files where other.role == .included {
                    text = text.split(separator: other.source, omittingEmptySubsequences: false)
                        .joined(separator: other.name)
                }
                try write(name, Array(text.utf8))
            } else if let own {
                try write(name, own.content, mode: own.mode, modified: own.modified)
            } else {
                try write(name, Array(substitute.utf8))
                guard role == .hostAccess else { continue }
                warnings.append(
                    "the source's pg_hba.conf was not captured; the copy lets in local users by"
                        + " their system name only"
                )
            }
        }
        return warnings
    }

    private func adapted(
        _ content: [UInt8],
        of file: ConfigurationPlaces.File,
        _ places: inout ConfigurationPlaces
    ) throws -> [UInt8] {
        try places.adapted(content, source: file.source, name: file.name, isThere: isThere)
    }

    private func isThere(_ name: String) throws -> Bool {
        try FileSystem.info(directory + "/" + name, followLinks: true) != nil
    }

    /// The value `name` has in the copy's own files, before this restore's settings.
    func value(of name: String) throws -> String? {
        try value(of: name, in: "postgresql.auto.conf", depth: 0)
            ?? value(of: name, in: ConfigurationPlaces.mainName, depth: 0)
    }

    /// The value in a file and those it includes, where the last one counts.
    private func value(of name: String, in file: String, depth: Int) throws -> String? {
        guard depth < Self.includeDepthMax, try isThere(file) else { return nil }
        let place = FileSystem.parent(of: file).map { $0 + "/" } ?? ""
        var found: String?
        let settings = ConfigurationText.settings(
            in: try FileSystem.readFile(directory + "/" + file)
        )
        for setting in settings {
            var included: [String] = []
            switch setting.name {
            case name: found = setting.value
            case "include", "include_if_exists": included = [place + setting.value]
            case "include_dir":
                let names = try FileSystem.list(directory + "/" + place + setting.value) ?? []
                included = names.filter { $0.hasSuffix(".conf") && !$0.hasPrefix(".") }
                    .map { place + setting.value + "/" + $0 }
            default: break
            }
            for file in included {
                found = try value(of: name, in: file, depth: depth + 1) ?? found
            }
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

    private func write(
        _ name: String,
        _ bytes: [UInt8],
        mode: UInt32 = 0o600,
        modified: Int64? = nil
    ) throws {
        let path = directory + "/" + name
        try makeDirectories(name.split(separator: "/").dropLast().map(String.init))
        let file = try File(path, .create(mode))
        try bytes.withUnsafeBytes { try file.write($0, at: 0) }
        try owner?.takeOwnership(of: path)
        try manifest.add(
            Array(name.utf8),
            size: UInt64(bytes.count),
            crc32c: bytes.withUnsafeBytes { CRC32C.of($0) },
            modified: modified ?? reader.point.finishedAt.seconds
        )
    }

    /// Makes the directories of a path in the copy that are missing.
    private func makeDirectories(_ parts: [String]) throws {
        var path = directory
        for part in parts {
            path += "/" + part
            guard try FileSystem.info(path, followLinks: true) == nil else { continue }
            try FileSystem.makeDirectory(path)
            try owner?.takeOwnership(of: path)
        }
    }
}
