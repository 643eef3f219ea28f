import Domain
import Platform
package import Postgres
import Sealing

/// Compares what arrived with what the server says it sent: every file of its manifest must have
/// come, with the size and the CRC-32C the server computed while reading it.
final class ManifestCheck {
    private var reader: BackupManifestReader
    private var expected: [[UInt8]: FileCollector.Checksum] = [:]

    /// A check at the beginning of a manifest.
    init() { reader = BackupManifestReader(digest: .sha256()) }

    /// Takes the manifest's next bytes.
    func feed(_ bytes: UnsafeRawBufferPointer) throws {
        try reader.feed(bytes) { file in
            guard let crc = file.crc32c else { return }
            expected[file.path] = FileCollector.Checksum(size: file.size, crc32c: crc)
        }
    }

    /// Compares all files; call when every page has been placed. Throws `.sourceBroken`.
    func finish(against files: FileCollector) throws {
        _ = try reader.finish()
        for (path, sent) in expected {
            let name = String(decoding: path, as: UTF8.self)
            guard let received = files.takeChecksum(path) else {
                throw broken("\(name) is in the server's manifest but was not sent")
            }
            guard received.size == sent.size, received.crc32c == sent.crc32c else {
                throw broken("\(name) arrived with other bytes than the server sent")
            }
        }
        if let name = files.unmentioned {
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
