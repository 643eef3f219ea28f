import Domain
import Postgres
import Vaulting

/// The backup manifest a server is told of the parent point: what it need not send again in full.
///
/// The server looks at paths, WAL range and system identifier only. What is left out is sent whole,
/// which is always right, so only files this vault can complete are listed. Visibility maps are
/// left out: minor releases before 17.11 and 18.6 do not log every change of them.
struct ParentManifest {
    private let reader: PointReader

    /// The manifest of a point.
    init(_ reader: PointReader) { self.reader = reader }

    /// Writes it in pieces; memory stays flat for any number of files.
    func write(_ send: @escaping (UnsafeRawBufferPointer) throws -> Void) throws {
        let point = reader.point
        var writer = BackupManifestWriter(
            majorVersion: point.serverVersion.major,
            systemIdentifier: point.systemIdentifier,
            digest: .sha256(),
            write: send
        )
        let catalog = reader.catalog()
        while let entry = try catalog.next() {
            guard case .file(let size, _, _) = entry.kind, Self.isBase(entry.path, size: size)
            else { continue }
            try writer.add(ManifestFile(path: entry.path, size: size, modified: nil, crc32c: nil))
        }
        try writer.finish([
            BackupManifest.WALRange(
                timeline: point.timeline,
                start: point.startLSN,
                end: point.stopLSN
            )
        ])
    }

    /// Whether changed blocks of the file may come alone. Free space maps never do.
    static func isBase(_ path: [UInt8], size: UInt64) -> Bool {
        guard let relation = RelationPath(path), !relation.isTemporary else { return false }
        return [.main, .initial].contains(relation.fork)
            && size % UInt64(VaultFormat.pageBytes) == 0
    }
}
