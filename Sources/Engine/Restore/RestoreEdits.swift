import Domain
import Platform
import Postgres
import Synchronization

/// Writes the small files of a copy, with the few changes a restore makes to them.
///
/// `global/pg_control` is held back until everything else is durable: a directory without it starts
/// no server, so an interrupted restore can never be taken for a complete one.
final class RestoreEdits: Sendable {
    private let held = Mutex<(path: String, mode: UInt32, content: [UInt8])?>(nil)
    private let configuration = Mutex<[String: [UInt8]]>([:])

    private static let controlPath = Array("global/pg_control".utf8)
    private static let labelPath = Array("backup_label".utf8)
    private static let configurationPaths = ["postgresql.conf", "postgresql.auto.conf"]

    /// Files that are not restored: links take the place of the tablespace map.
    static func isLeftOut(_ path: [UInt8]) -> Bool { path == Array("tablespace_map".utf8) }

    /// The configuration files as they were written, by path in the data directory.
    var writtenConfiguration: [String: [UInt8]] { configuration.withLock { $0 } }

    /// Writes one small file and lists it in the manifest as it lies there then.
    func write(
        _ file: RestoredFile,
        _ content: UnsafeRawBufferPointer,
        manifest: RestoredManifest,
        owner: UserAccount?
    ) throws {
        if file.path == Self.controlPath {
            held.withLock { $0 = (file.place, file.mode, Array(content)) }
            try manifest.add(
                file.path,
                size: file.size,
                crc32c: CRC32C.of(content),
                modified: file.modified
            )
            return
        }
        guard let changed = change(file.path, content) else {
            try put(file.place, content, mode: file.mode, owner: owner)
            try manifest.add(
                file.path,
                size: file.size,
                crc32c: CRC32C.of(content),
                modified: file.modified
            )
            return
        }
        try changed.withUnsafeBytes { bytes in
            try put(file.place, bytes, mode: file.mode, owner: owner)
            try manifest.add(
                file.path,
                size: UInt64(bytes.count),
                crc32c: CRC32C.of(bytes),
                modified: file.modified
            )
        }
    }

    /// Writes the file held back, durably. Call when everything else is durable.
    func release(owner: UserAccount?) throws {
        guard let control = held.withLock({ $0 }) else {
            throw PgkeepError(
                .integrity,
                "the point has no global/pg_control",
                hint: "run pgkeep vault check, and restore from another point"
            )
        }
        try control.content.withUnsafeBytes {
            try put(control.path, $0, mode: control.mode, owner: owner)
        }
        try File(control.path, .update).sync()
        try FileSystem.syncDirectory(FileSystem.parent(of: control.path) ?? "/")
    }

    /// The content a file gets instead of its own; nil when it stays as it is.
    private func change(_ path: [UInt8], _ content: UnsafeRawBufferPointer) -> [UInt8]? {
        if path == Self.labelPath {
            return BackupLabel.withoutIncrementalLines(Array(content))
        }
        let name = String(decoding: path, as: UTF8.self)
        guard Self.configurationPaths.contains(name) else { return nil }
        let text = ConfigurationText.disabling(
            RecoverySettings.superseded,
            in: String(decoding: content, as: UTF8.self),
            why: "disabled by pgkeep restore"
        )
        configuration.withLock { $0[name] = Array(text.utf8) }
        return Array(text.utf8)
    }

    private func put(
        _ place: String,
        _ content: UnsafeRawBufferPointer,
        mode: UInt32,
        owner: UserAccount?
    ) throws {
        let file = try File(place, .create(mode))
        try file.write(content, at: 0)
        try owner?.takeOwnership(of: place)
    }
}
