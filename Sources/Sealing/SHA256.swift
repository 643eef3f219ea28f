internal import CCrypto

/// SHA-256, whole or in pieces.
public struct SHA256: ~Copyable {
    /// The length of a digest in bytes.
    public static let digestBytes = 32

    private let context: OpaquePointer

    /// Begins a digest.
    public init() {
        guard let context = EVP_MD_CTX_new() else { preconditionFailure("out of memory") }
        self.context = context
        Crypto.insist(EVP_DigestInit_ex(context, Crypto.sha256, nil), "EVP_DigestInit_ex")
    }

    deinit { EVP_MD_CTX_free(context) }

    /// Adds bytes.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count > 0 else { return }
        Crypto.insist(
            EVP_DigestUpdate(context, bytes.baseAddress, bytes.count),
            "EVP_DigestUpdate"
        )
    }

    /// The digest of all bytes added; the value then begins a new one.
    public mutating func finish() -> [UInt8] {
        let digest = [UInt8](unsafeUninitializedCapacity: Self.digestBytes) { buffer, count in
            Crypto.insist(
                EVP_DigestFinal_ex(context, buffer.baseAddress, nil),
                "EVP_DigestFinal_ex"
            )
            count = Self.digestBytes
        }
        Crypto.insist(EVP_DigestInit_ex(context, Crypto.sha256, nil), "EVP_DigestInit_ex")
        return digest
    }

    /// The digest of `bytes`, 32 bytes long.
    public static func digest(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: digestBytes) { buffer, count in
            Crypto.insist(
                EVP_Digest(
                    bytes.baseAddress,
                    bytes.count,
                    buffer.baseAddress,
                    nil,
                    Crypto.sha256,
                    nil
                ),
                "EVP_Digest"
            )
            count = digestBytes
        }
    }

    /// The digest of an array, 32 bytes long.
    public static func digest(_ bytes: [UInt8]) -> [UInt8] {
        bytes.withUnsafeBytes { digest($0) }
    }
}
