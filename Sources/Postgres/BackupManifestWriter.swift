public import Domain

/// Writes a `backup_manifest` that `pg_verifybackup` of the server's release accepts.
///
/// The text leaves in pieces through `write`, so memory stays flat for any number of files. Nothing
/// is durable before the caller makes it so.
public struct BackupManifestWriter {
    private let digest: BackupManifest.Digest
    private let write: (UnsafeRawBufferPointer) throws -> Void
    private var text: [UInt8] = []
    private var files: UInt64 = 0

    private static let flushSize = 64 << 10

    /// Begins a manifest for a data directory of the given release; `digest` must be a fresh
    /// SHA-256.
    public init(
        majorVersion: Int,
        systemIdentifier: SystemIdentifier,
        digest: BackupManifest.Digest,
        write: @escaping (UnsafeRawBufferPointer) throws -> Void
    ) {
        self.digest = digest
        self.write = write
        text.reserveCapacity(Self.flushSize + 16 << 10)
        let version = majorVersion >= 17 ? 2 : 1
        add("{ \"PostgreSQL-Backup-Manifest-Version\": \(version),\n")
        // Older releases refuse keys they do not know.
        if version == 2 { add("\"System-Identifier\": \(systemIdentifier),\n") }
        add("\"Files\": [")
    }

    /// Lists one file.
    public mutating func add(_ file: ManifestFile) throws {
        add(files == 0 ? "\n" : ",\n")
        files += 1
        if String(validating: file.path, as: UTF8.self) != nil {
            add("{ \"Path\": \"")
            addEscaped(file.path)
        } else {
            add("{ \"Encoded-Path\": \"")
            Hex.append(file.path, to: &text)
        }
        add("\", \"Size\": \(file.size)")
        if let modified = file.modified {
            add(", \"Last-Modified\": \"\(Self.moment(modified))\"")
        }
        if let algorithm = file.checksumAlgorithm {
            add(", \"Checksum-Algorithm\": \"\(algorithm)\", \"Checksum\": \"")
            Hex.append(file.checksum, to: &text)
            add("\"")
        }
        add(" }")
        if text.count >= Self.flushSize { try flush() }
    }

    /// Ends the manifest with the WAL the data directory needs, newest timeline first.
    public mutating func finish(_ ranges: [BackupManifest.WALRange]) throws {
        add("\n],\n\"WAL-Ranges\": [\n")
        for (index, range) in ranges.enumerated() {
            add("{ \"Timeline\": \(range.timeline), \"Start-LSN\": \"\(range.start)\", ")
            add("\"End-LSN\": \"\(range.end)\" }\(index == ranges.count - 1 ? "" : ",")\n")
        }
        add("],\n")
        try flush()
        // The digest covers everything but this last line.
        add("\"Manifest-Checksum\": \"")
        Hex.append(digest.finish(), to: &text)
        add("\"}\n")
        try text.withUnsafeBytes(write)
        text.removeAll()
    }

    private mutating func flush() throws {
        text.withUnsafeBytes(digest.update)
        try text.withUnsafeBytes(write)
        text.removeAll(keepingCapacity: true)
    }

    private mutating func add(_ string: String) { text.append(contentsOf: string.utf8) }

    private mutating func addEscaped(_ bytes: [UInt8]) {
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                text.append(UInt8(ascii: "\\"))
                text.append(byte)
            case 0..<0x20:
                add("\\u00")
                Hex.append([byte], to: &text)
            default: text.append(byte)
            }
        }
    }

    private static func moment(_ time: Timestamp) -> String {
        let text = Timestamp(seconds: time.seconds).description
        return "\(text.prefix(10)) \(text.dropFirst(11).dropLast()) GMT"
    }
}
