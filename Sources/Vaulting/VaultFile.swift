import Domain
import FoundationEssentials
import Sealing

/// The content of `vault.json`.
struct VaultFile: Codable, Equatable {
    struct Capabilities: Codable, Equatable {
        /// The store can create an object only when its name is free.
        var conditionalPut: Bool

        enum CodingKeys: String, CodingKey { case conditionalPut = "conditional_put" }
    }

    var capabilities: Capabilities
    var created: String
    var format: String
    var seal: String
    var vaultID: VaultID
    var version: Int

    enum CodingKeys: String, CodingKey {
        case capabilities, created, format, seal, version
        case vaultID = "vault_id"
    }

    static let formatName = "pgkeep-vault"

    init(vaultID: VaultID, created: Timestamp) {
        capabilities = Capabilities(conditionalPut: true)
        self.created = created.description
        format = Self.formatName
        seal = ""
        self.vaultID = vaultID
        version = Int(VaultFormat.version)
    }

    /// Reads the file: its version before all else.
    init(decoding bytes: [UInt8], location: String) throws(PgkeepError) {
        struct Version: Decodable { var version: Int }
        let decoder = JSONDecoder()
        let data = Data(bytes)
        if let found = try? decoder.decode(Version.self, from: data),
            found.version > Int(VaultFormat.version)
        {
            throw .newerFormat("the vault in \(location)")
        }
        do {
            self = try decoder.decode(VaultFile.self, from: data)
        } catch {
            throw .damaged(VaultNames.vaultFile, "it cannot be read", cause: error)
        }
        guard format == Self.formatName, version == Int(VaultFormat.version), encoded() == bytes
        else { throw .damaged(VaultNames.vaultFile, "it is not as it was written") }
    }

    func encoded() -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(self) else {
            preconditionFailure("plain strings do not encode")
        }
        return Array(data)
    }

    /// The file bound to its vault's fingerprint key, the one key that never changes.
    func sealed(with key: SecretBytes) -> VaultFile {
        var file = self
        file.seal = ""
        let content = file.encoded()
        file.seal = key.withBytes { key in
            let inner = SHA256.digest(Array(key) + content)
            let outer = SHA256.digest(Array("pgkeep vault.json".utf8) + Array(key) + inner)
            return outer[..<16].map { VaultNames.hex8(UInt32($0)).suffix(2) }.joined()
        }
        return file
    }

    /// True when the file is the one these keys were made with.
    func fits(_ key: SecretBytes) -> Bool { sealed(with: key) == self }
}
