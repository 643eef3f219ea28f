public import Domain
public import Sealing
import Storage

/// The clear 64 bytes at the front of every sealed object; every frame authenticates them.
public struct ObjectHeader: Hashable, Sendable {
    /// What the object is.
    public let kind: ObjectKind
    /// What its key is derived for.
    public let purpose: KeyPurpose
    /// The epoch of its key.
    public let epoch: UInt32
    /// The vault it belongs to.
    public let vault: VaultID
    /// 16 random bytes of its own.
    public let objectID: [UInt8]
    /// First half of the SHA-256 of the name it is bound to.
    public let nameHash: [UInt8]

    /// The header of a new object, with a fresh object id.
    init(kind: ObjectKind, purpose: KeyPurpose, epoch: UInt32, vault: VaultID, name: ObjectName) {
        self.kind = kind
        self.purpose = purpose
        self.epoch = epoch
        self.vault = vault
        objectID = SecureRandom.bytes(16)
        nameHash = Self.hash(of: name)
    }

    /// Reads 64 bytes and checks them against the vault and the name they were found under.
    init(
        _ bytes: UnsafeRawBufferPointer,
        vault: VaultID,
        name: ObjectName
    ) throws(PgkeepError) {
        guard bytes.count >= VaultFormat.headerBytes,
            bytes[..<8].elementsEqual(VaultFormat.magic)
        else { throw .damaged(name, "it does not begin like a sealed object") }
        var reader = ByteReader(UnsafeRawBufferPointer(rebasing: bytes[8..<64]), name.text)
        let version = try reader.number(UInt16.self)
        let kind = try reader.byte()
        let purpose = try reader.byte()
        epoch = try reader.number(UInt32.self)
        let vaultBytes = try reader.bytes(16)
        objectID = try reader.bytes(16)
        nameHash = try reader.bytes(16)
        guard version == VaultFormat.version, let kind = ObjectKind(rawValue: kind),
            let purpose = KeyPurpose(rawValue: purpose)
        else { throw .newerFormat(name.text) }
        self.kind = kind
        self.purpose = purpose
        guard let found = VaultID(bytes: vaultBytes), found == vault else {
            throw .damaged(name, "it belongs to another vault")
        }
        self.vault = found
        guard nameHash == Self.hash(of: name) else {
            throw .damaged(name, "it is another object under this name")
        }
    }

    /// The 64 bytes.
    public var bytes: [UInt8] {
        var writer = ByteWriter(capacity: VaultFormat.headerBytes)
        writer.append(VaultFormat.magic)
        writer.append(VaultFormat.version)
        writer.append(kind.rawValue)
        writer.append(purpose.rawValue)
        writer.append(epoch)
        writer.append(vault.bytes)
        writer.append(objectID)
        writer.append(nameHash)
        return writer.bytes
    }

    static func hash(of name: ObjectName) -> [UInt8] {
        Array(SHA256.digest(Array(name.text.utf8))[..<16])
    }
}

/// The clear 32 bytes at the end of every complete object; all of them are compared.
struct ObjectFooter {
    var directoryOffset: UInt64
    var directoryBytes: UInt32
    var frames: UInt32
    var objectID: [UInt8]

    var bytes: [UInt8] {
        var writer = ByteWriter(capacity: VaultFormat.footerBytes)
        writer.append(directoryOffset)
        writer.append(directoryBytes)
        writer.append(frames)
        writer.append(objectID[..<8])
        writer.append(VaultFormat.footerMagic)
        return writer.bytes
    }

    /// Reads the last 32 bytes of an object of `size` bytes; nil when they are no footer or
    /// contradict the size.
    init?(_ bytes: UnsafeRawBufferPointer, size: UInt64) {
        guard bytes.count == VaultFormat.footerBytes,
            bytes[24...].elementsEqual(VaultFormat.footerMagic)
        else { return nil }
        directoryOffset = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        directoryBytes = UInt32(
            littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
        )
        frames = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 12, as: UInt32.self))
        objectID = Array(bytes[16..<24])
        let end = UInt64(directoryBytes) + UInt64(VaultFormat.footerBytes)
        guard directoryOffset >= UInt64(VaultFormat.headerBytes), directoryOffset < size,
            size - directoryOffset == end, frames <= UInt32(VaultFormat.framesMax)
        else { return nil }
    }

    init(directoryOffset: UInt64, directoryBytes: UInt32, frames: UInt32, objectID: [UInt8]) {
        self.directoryOffset = directoryOffset
        self.directoryBytes = directoryBytes
        self.frames = frames
        self.objectID = objectID
    }
}

extension PgkeepError {
    /// True when an object is there but not readable as what it should be. Altered bytes can also
    /// look like a newer format or another epoch's key.
    public var isDamage: Bool { [.integrity, .vaultVersion, .wrongKey].contains(code) }

    /// An object is not as it was written.
    static func damaged(_ name: ObjectName, _ reason: String, cause: (any Error)? = nil)
        -> PgkeepError
    {
        PgkeepError(
            .integrity,
            "\(name) is damaged: \(reason)",
            hint: "run pgkeep vault check to see what is affected",
            cause: cause
        )
    }

    /// An object uses what this version does not know.
    static func newerFormat(_ subject: String) -> PgkeepError {
        PgkeepError(
            .vaultVersion,
            "\(subject) was made by a newer pgkeep",
            hint: "upgrade pgkeep on this host"
        )
    }
}
