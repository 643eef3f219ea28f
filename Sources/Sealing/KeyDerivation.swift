internal import CCrypto
package import Domain

/// The two ways keys are made from other secrets: HKDF from keys, scrypt from passphrases.
package enum KeyDerivation {
    /// HKDF-SHA256 (RFC 5869), extract and expand.
    package static func hkdf(
        _ key: UnsafeRawBufferPointer,
        salt: [UInt8],
        info: [UInt8],
        count: Int = 32
    ) -> SecretBytes {
        precondition(key.count > 0 && count > 0 && count <= 255 * 32)
        guard let context = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nil) else {
            preconditionFailure("libcrypto lacks HKDF")
        }
        defer { EVP_PKEY_CTX_free(context) }
        Crypto.insist(EVP_PKEY_derive_init(context), "EVP_PKEY_derive_init")
        Crypto.insist(EVP_PKEY_CTX_set_hkdf_md(context, Crypto.sha256), "hkdf_md")
        if !salt.isEmpty {
            Crypto.insist(EVP_PKEY_CTX_set1_hkdf_salt(context, salt, Int32(salt.count)), "salt")
        }
        Crypto.insist(
            EVP_PKEY_CTX_set1_hkdf_key(
                context,
                key.baseAddress?.assumingMemoryBound(to: UInt8.self),
                Int32(key.count)
            ),
            "hkdf_key"
        )
        if !info.isEmpty {
            Crypto.insist(EVP_PKEY_CTX_add1_hkdf_info(context, info, Int32(info.count)), "info")
        }
        return SecretBytes(count: count) { output in
            var length = count
            Crypto.insist(
                EVP_PKEY_derive(
                    context,
                    output.baseAddress?.assumingMemoryBound(to: UInt8.self),
                    &length
                ),
                "EVP_PKEY_derive"
            )
            precondition(length == count)
        }
    }

    /// HKDF-SHA256 of a secret.
    static func hkdf(_ key: SecretBytes, salt: [UInt8], info: [UInt8]) -> SecretBytes {
        key.withBytes { hkdf($0, salt: salt, info: info) }
    }

    /// scrypt (RFC 7914). Takes `128 * N * r` bytes of memory while it runs.
    package static func scrypt(
        _ passphrase: UnsafeRawBufferPointer,
        salt: [UInt8],
        cost: ScryptCost,
        count: Int = 32
    ) throws(PgkeepError) -> SecretBytes {
        try SecretBytes(count: count) { output throws(PgkeepError) in
            let result = EVP_PBE_scrypt(
                passphrase.baseAddress?.assumingMemoryBound(to: CChar.self),
                passphrase.count,
                salt,
                salt.count,
                UInt64(cost.n),
                UInt64(cost.r),
                UInt64(cost.p),
                cost.memoryBytes + (1 << 20),
                output.baseAddress?.assumingMemoryBound(to: UInt8.self),
                count
            )
            guard result == 1 else {
                throw PgkeepError(
                    .unexpected,
                    "deriving a key from the passphrase failed",
                    hint: "make \(cost.memoryBytes >> 20) MiB of memory available and try again"
                )
            }
        }
    }
}
