public import Domain
import Platform
public import Sealing
public import Storage

/// A key that opens the WAL and the timeline histories of one instance and nothing else: what a
/// restore leaves beside a server that must fetch its own WAL.
///
/// The file is text, mode 0600, one word and its values a line, closed by a check word over all
/// lines before it (the first 8 digits of their SHA-256):
/// ```
/// pgkeep-wal-key-1
/// vault <UUID>
/// system <16 digits>
/// epoch <number> <64 digits>
/// check <8 digits>
/// ```
public struct WALKeyFile: Sendable {
    /// The vault it fits.
    public let vault: VaultID
    /// The instance whose WAL it opens.
    public let systemIdentifier: SystemIdentifier
    /// The keys by epoch.
    let keys: [UInt32: SecretBytes]

    private static let title = "pgkeep-wal-key-1"
    private static let bytesMax = 64 << 10

    /// The WAL keys of an instance, taken from an opened vault.
    public init(_ vault: Vault, _ systemIdentifier: SystemIdentifier) throws(PgkeepError) {
        keys = vault.keys.walKeys(scope: systemIdentifier.rawValue)
        guard !keys.isEmpty else {
            throw PgkeepError(
                .refused,
                "the key in use opens the WAL of another instance only",
                hint: "use the vault's key file or passphrase"
            )
        }
        self.vault = vault.id
        self.systemIdentifier = systemIdentifier
    }

    /// The ring to open the vault with.
    public var keyRing: KeyRing { KeyRing(walOnly: keys, scope: systemIdentifier.rawValue) }

    /// Writes the file, replacing an older one. Durable on return.
    public func write(to path: String) throws {
        var text = "\(Self.title)\nvault \(vault)\nsystem \(systemIdentifier.hex)\n"
        for (epoch, key) in keys.sorted(by: { $0.key < $1.key }) {
            text += "epoch \(epoch) \(key.withBytes { hexadecimal($0) })\n"
        }
        text += "check \(Self.check(text))\n"
        try FileSystem.writeAtomically(path, Array(text.utf8), mode: 0o600)
    }

    /// Reads a file. Throws `.notFound`, `.refused` when others could read it, `.wrongKey` when it
    /// is no whole WAL key file.
    public init(path: String) throws {
        guard let information = try FileSystem.info(path, followLinks: true) else {
            throw PgkeepError(
                .notFound,
                "there is no WAL key file \(path)",
                hint: "run pgkeep restore start again, or give another --wal-key"
            )
        }
        guard information.mode & 0o077 == 0 else {
            throw PgkeepError(
                .refused,
                "others may read the WAL key file \(path)",
                hint: "run chmod 600 \(path)"
            )
        }
        let bytes = try FileSystem.readFile(path, limit: Self.bytesMax)
        guard let parsed = Self.parse(String(decoding: bytes, as: UTF8.self)) else {
            throw PgkeepError(
                .wrongKey,
                "\(path) is no whole WAL key file",
                hint: "run pgkeep restore start again to write a new one"
            )
        }
        (vault, systemIdentifier, keys) = parsed
    }

    private static func check(_ text: some StringProtocol) -> String {
        hexadecimal(SHA256.digest(Array(text.utf8)).prefix(4))
    }

    private static func parse(
        _ text: String
    ) -> (VaultID, SystemIdentifier, [UInt32: SecretBytes])? {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.popLast() == "", let last = lines.popLast(), lines.count >= 4 else {
            return nil
        }
        let body = lines.joined(separator: "\n") + "\n"
        let words = lines.map { $0.split(separator: " ", omittingEmptySubsequences: false) }
        guard last == "check \(check(body))", words[0] == [Substring(title)],
            words[1].count == 2, words[1][0] == "vault", let vault = VaultID(words[1][1]),
            words[2].count == 2, words[2][0] == "system",
            let system = SystemIdentifier(hex: words[2][1])
        else { return nil }
        var keys: [UInt32: SecretBytes] = [:]
        for line in words[3...] {
            guard line.count == 3, line[0] == "epoch", let epoch = UInt32(line[1]),
                let key = bytes(ofHexadecimal: line[2]), key.count == 32, keys[epoch] == nil
            else { return nil }
            keys[epoch] = SecretBytes(key)
        }
        return (vault, system, keys)
    }
}

extension Vault {
    /// Opens a vault with a WAL key file, for fetching WAL of its instance only.
    ///
    /// Throws `.wrongKey` when the key belongs to another vault.
    public static func open(store: any ObjectStore, walKey: WALKeyFile) throws -> Vault {
        let vault = try open(store: store, walKeys: walKey.keyRing)
        guard vault.id == walKey.vault else {
            throw PgkeepError(
                .wrongKey,
                "the WAL key belongs to vault \(walKey.vault), not to \(vault.id)",
                hint: "point --vault at the vault the restore was made from"
            )
        }
        return vault
    }
}
