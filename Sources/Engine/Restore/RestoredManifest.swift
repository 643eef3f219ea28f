package import Domain
package import Platform
import Postgres

/// The backup_manifest of the copy, written while its files are: what `pg_verifybackup` judges by.
///
/// Files are added from all threads, in any order.
package final class RestoredManifest: Sendable {
    private struct State {
        var writer: BackupManifestWriter
        var files: UInt64 = 0
        var bytes: UInt64 = 0
    }
    private let state: Condition<State>
    private let path: String

    /// The name PostgreSQL's tools look for.
    static let name = "backup_manifest"

    /// Begins the manifest of a copy of `point` in `directory`.
    package init(_ point: RecoveryPoint, in directory: String, owner: UserAccount?) throws {
        path = directory + "/" + Self.name
        let file = try File(path, .create(0o600))
        try owner?.takeOwnership(of: path)
        let output = Output(file)
        state = Condition(
            State(
                writer: BackupManifestWriter(
                    majorVersion: point.serverVersion.major,
                    systemIdentifier: point.systemIdentifier,
                    digest: .sha256(),
                    write: { try output.append($0) }
                )
            )
        )
    }

    /// Lists a file as it lies on disk now.
    func add(_ path: [UInt8], size: UInt64, crc32c: UInt32, modified: Int64) throws {
        try state.change { state in
            try state.writer.add(
                ManifestFile(
                    path: path,
                    size: size,
                    modified: Timestamp(seconds: modified),
                    crc32c: crc32c
                )
            )
            state.files += 1
            state.bytes += size
        }
    }

    /// Files and bytes listed so far.
    var totals: (files: UInt64, bytes: UInt64) { state.read { ($0.files, $0.bytes) } }

    /// Ends the manifest with the WAL the copy needs to become consistent.
    package func finish(_ point: RecoveryPoint) throws {
        let range = BackupManifest.WALRange(
            timeline: point.timeline,
            start: point.startLSN,
            end: point.stopLSN
        )
        try state.change { try $0.writer.finish([range]) }
    }

    private final class Output {
        private let file: File
        private var offset: UInt64 = 0

        init(_ file: File) { self.file = file }

        func append(_ bytes: UnsafeRawBufferPointer) throws {
            try file.write(bytes, at: offset)
            offset += UInt64(bytes.count)
        }
    }
}
