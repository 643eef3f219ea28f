internal import CCrypto

/// HMAC-SHA256 (RFC 2104): what whoever has the same key can tell a text's origin by.
public enum HMACSHA256 {
    /// The 32 bytes of the code.
    public static func code(of text: [UInt8], key: [UInt8]) -> [UInt8] {
        let bytes = SHA256.digestBytes
        return [UInt8](unsafeUninitializedCapacity: bytes) { buffer, count in
            var length = 0
            // A key of no bytes is legal, and still needs an address.
            let own = key.isEmpty ? [0] : key
            let done = EVP_Q_mac(
                nil,
                "HMAC",
                nil,
                "SHA256",
                nil,
                own,
                key.count,
                text,
                text.count,
                buffer.baseAddress,
                bytes,
                &length
            )
            precondition(done != nil && length == bytes, "libcrypto: EVP_Q_mac failed")
            count = bytes
        }
    }
}
