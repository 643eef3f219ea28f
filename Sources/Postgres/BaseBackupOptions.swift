package import Domain

/// What to ask of BASE_BACKUP.
///
/// Always asked for: a manifest with CRC-32C checksums, a tablespace map instead of symbolic links,
/// and not to wait for the server's own archiver, since the WAL comes by a stream of ours.
public struct BaseBackupOptions: Sendable {
    /// How the checkpoint at the beginning is made.
    public enum Checkpoint: String, Sendable {
        /// At once.
        case fast
        /// Spread over time; the server may be silent for minutes.
        case spread
    }

    /// Stands in backup_label and in the server's progress view; cut and cleaned before use.
    public var label: String
    /// How the checkpoint is made.
    public var checkpoint: Checkpoint
    /// Have the server estimate the size first: it walks all files before it sends anything.
    public var estimatesSize: Bool
    /// Limit of the server's sending in kB/s, 32 to 1048576; nil is none.
    public var maxRate: Int?
    /// Have the server verify page checksums while it reads.
    public var verifiesChecksums: Bool
    /// Send changed blocks only (17 and later); a manifest must have been uploaded in this session.
    public var isIncremental: Bool

    /// The limits the server sets for `maxRate`.
    public static let rates = 32...1_048_576

    /// Options; the defaults are what an ordinary full backup wants.
    public init(
        label: String,
        checkpoint: Checkpoint = .fast,
        estimatesSize: Bool = true,
        maxRate: Int? = nil,
        verifiesChecksums: Bool = true,
        isIncremental: Bool = false
    ) {
        self.label = label
        self.checkpoint = checkpoint
        self.estimatesSize = estimatesSize
        self.maxRate = maxRate
        self.verifiesChecksums = verifiesChecksums
        self.isIncremental = isIncremental
    }

    /// The command in the dialect of `version`.
    package func command(for version: ServerVersion) -> String {
        let rate = maxRate.map { min(max($0, Self.rates.lowerBound), Self.rates.upperBound) }
        let label = SQL.literal(cleanLabel)
        guard version.hasFramedBackups else {
            var words = ["BASE_BACKUP LABEL \(label)"]
            if estimatesSize { words.append("PROGRESS") }
            if checkpoint == .fast { words.append("FAST") }
            words.append("NOWAIT")
            if let rate { words.append("MAX_RATE \(rate)") }
            words.append("TABLESPACE_MAP")
            if !verifiesChecksums { words.append("NOVERIFY_CHECKSUMS") }
            return words.joined(separator: " ") + " MANIFEST 'yes' MANIFEST_CHECKSUMS 'CRC32C'"
        }
        var options = [
            "LABEL \(label)", "PROGRESS \(estimatesSize)", "CHECKPOINT '\(checkpoint.rawValue)'",
            "WAIT false",
        ]
        if let rate { options.append("MAX_RATE \(rate)") }
        options.append("TABLESPACE_MAP true")
        options.append("VERIFY_CHECKSUMS \(verifiesChecksums)")
        options.append("MANIFEST 'yes', MANIFEST_CHECKSUMS 'CRC32C'")
        if isIncremental { options.append("INCREMENTAL true") }
        return "BASE_BACKUP (\(options.joined(separator: ", ")))"
    }

    /// A line break would corrupt backup_label, and the server takes at most 1024 bytes.
    private var cleanLabel: String {
        var label = ""
        for scalar in self.label.unicodeScalars {
            let isControl = scalar.value < 32 || scalar.value == 127
            guard label.utf8.count + 4 <= 256 else { break }
            label.unicodeScalars.append(isControl ? " " : scalar)
        }
        return label.isEmpty ? "pgkeep" : label
    }
}
