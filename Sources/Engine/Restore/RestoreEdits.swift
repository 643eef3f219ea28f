import Domain
package import Platform
import Postgres
import Synchronization

/// Writes the small files of a copy, with the few changes a restore makes to them.
///
/// `global/pg_control` is held back until everything else is durable: a directory without it starts
/// no server, so an interrupted restore can never be taken for a complete one. The configuration
/// files are held back until all captured ones are known.
package final class RestoreEdits: Sendable {
    /// A file that is not written yet.
    struct Held: Sendable {
        let place: RawPath
        let mode: UInt32
        let modified: Int64
        let content: [UInt8]
    }
    private let held = Mutex<[String: Held]>([:])

    package init() {}

    private static let controlPath = "global/pg_control"
    private static let labelPath = Array("backup_label".utf8)
    private static let overlaidPath = Array("postgresql.auto.conf".utf8)
    /// The configuration files held back.
    static let configurationPaths: Set<String> = [
        "postgresql.conf", "pg_hba.conf", "pg_ident.conf",
    ]

    /// Files that are not restored: links take the place of the tablespace map.
    static func isLeftOut(_ path: [UInt8]) -> Bool { path == Array("tablespace_map".utf8) }

    /// Takes out what is held of a configuration file; nil when the data directory had none.
    func takeConfiguration(_ name: String) -> Held? {
        held.withLock { $0.removeValue(forKey: name) }
    }

    /// Writes one small file and lists it in the manifest as it lies there then.
    func write(
        _ file: RestoredFile,
        _ content: UnsafeRawBufferPointer,
        manifest: RestoredManifest,
        owner: UserAccount?
    ) throws {
        let name = String(decoding: file.path, as: UTF8.self)
        let isControl = name == Self.controlPath
        if isControl || Self.configurationPaths.contains(name) {
            let file = Held(
                place: file.place,
                mode: file.mode,
                modified: file.modified,
                content: Array(content)
            )
            held.withLock { $0[name] = file }
            guard isControl else { return }
        }
        let changed = change(file.path, content)
        try (changed ?? []).withUnsafeBytes { bytes in
            let content = changed == nil ? content : bytes
            if !isControl { try put(file.place, content, mode: file.mode, owner: owner) }
            try manifest.add(
                file.path,
                size: UInt64(content.count),
                crc32c: CRC32C.of(content),
                modified: file.modified
            )
        }
    }

    /// Writes the file held back, durably. Call when everything else is durable.
    package func release(owner: UserAccount?) throws {
        guard let control = held.withLock({ $0[Self.controlPath] }) else {
            throw PgkeepError(
                .integrity,
                "the point has no global/pg_control",
                hint: "run pgkeep vault check, and restore from another point"
            )
        }
        try control.content.withUnsafeBytes {
            try put(control.place, $0, mode: control.mode, owner: owner)
        }
        try File(control.place, .update).sync()
        try FileSystem.syncDirectory(FileSystem.parent(of: control.place.text) ?? "/")
    }

    /// The content a file gets instead of its own; nil when it stays as it is.
    private func change(_ path: [UInt8], _ content: UnsafeRawBufferPointer) -> [UInt8]? {
        if path == Self.labelPath {
            return BackupLabel.withoutIncrementalLines(Array(content))
        }
        guard path == Self.overlaidPath else { return nil }
        return ConfigurationText.disabling(
            RecoverySettings.superseded.union(ConfigurationPlaces.foreign),
            in: Array(content),
            why: "by pgkeep restore"
        )
    }

    private func put(
        _ place: RawPath,
        _ content: UnsafeRawBufferPointer,
        mode: UInt32,
        owner: UserAccount?
    ) throws {
        let file = try File(place, .create(mode))
        try file.write(content, at: 0)
        try owner?.takeOwnership(of: place)
    }
}
