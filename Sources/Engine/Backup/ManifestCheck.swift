import Domain
import Platform
package import Postgres
import Sealing

/// Compares what arrived with what the server says it sent: every file of its manifest must have
/// come, with the size and the CRC-32C the server computed while reading it.
final class ManifestCheck {
    private var reader: BackupManifestReader
    private let files: FileCollector
    /// Files that have not arrived as listed, or not yet: pages may still be on their way.
    private var open: [(path: [UInt8], checksum: FileCollector.Checksum)] = []

    /// A check at the beginning of a manifest, which comes behind all files.
    init(_ files: FileCollector) {
        self.files = files
        reader = BackupManifestReader(digest: .sha256())
    }

    /// Takes the manifest's next bytes.
    func feed(_ bytes: UnsafeRawBufferPointer) throws {
        try reader.feed(bytes) { file in
            guard let crc = file.crc32c else { return }
            let checksum = FileCollector.Checksum(size: file.size, crc32c: crc)
            if !files.take(file.path, checksum) { open.append((file.path, checksum)) }
        }
    }

    /// Compares all files; call when every page has been placed. Throws `.sourceBroken`.
    func finish() throws {
        _ = try reader.finish()
        for (path, checksum) in open where !files.take(path, checksum) {
            let name = String(decoding: path, as: UTF8.self)
            throw broken("\(name) did not arrive as the server's manifest says it was sent")
        }
        if let name = try files.unmentioned() {
            throw broken("\(name) was sent but is not in the server's manifest")
        }
    }

    private func broken(_ what: String) -> PgkeepError {
        PgkeepError(
            .sourceBroken,
            what,
            hint: "run the backup again; if it stays, check the network and this host's memory"
        )
    }
}

extension BackupManifest.Digest {
    /// A fresh SHA-256.
    package static func sha256() -> BackupManifest.Digest {
        let state = DigestState()
        return BackupManifest.Digest(
            update: { state.digest.update($0) },
            finish: { state.digest.finish() }
        )
    }

    // Noncopyable values cannot be captured by two closures; the box can.
    private final class DigestState {
        var digest = SHA256()
    }
}
