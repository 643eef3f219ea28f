internal import CCrypto

/// The algorithms of libcrypto, fetched once: a fetch takes locks and microseconds, a use does not.
///
/// The fetched objects are reference counted and immutable, so all threads may share them.
enum Crypto {
    nonisolated(unsafe) static let aes256gcm: OpaquePointer = {
        begin()
        return fetched(EVP_CIPHER_fetch(nil, "AES-256-GCM", nil))
    }()
    nonisolated(unsafe) static let sha256: OpaquePointer = {
        begin()
        return fetched(EVP_MD_fetch(nil, "SHA2-256", nil))
    }()

    /// Starts libcrypto without its error texts, which nobody here reads, and which take a
    /// noticeable part of a short program's time to load.
    private static func begin() {
        OPENSSL_init_crypto(UInt64(OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS), nil)
    }

    private static func fetched(_ algorithm: OpaquePointer?) -> OpaquePointer {
        guard let algorithm else { preconditionFailure("libcrypto lacks a needed algorithm") }
        return algorithm
    }

    /// Insists that a libcrypto call succeeded which fails only without memory or by our mistake.
    ///
    /// Going on would mean unsealed or repeated secrets, so the process ends here instead.
    @inline(__always)
    static func insist(_ result: Int32, _ call: StaticString) {
        precondition(result > 0, "libcrypto: \(call) failed")
    }
}
