internal import CCrypto

/// One AES-256-GCM context under one key, for one direction, reused for any number of messages.
///
/// Nothing is allocated per message. Not thread safe: each thread has its own. The caller answers
/// for never sealing two different messages under one nonce.
package final class GCM {
    /// The length of a nonce in bytes.
    package static let nonceBytes = 12
    /// The length of a tag in bytes.
    package static let tagBytes = 16

    /// What a context is for; libcrypto prepares the key differently for each.
    package enum Direction: Sendable { case seal, open }

    private let context: OpaquePointer

    /// Prepares the key, which is copied into libcrypto's memory and wiped there at the end.
    package init(key: SecretBytes, _ direction: Direction) {
        precondition(key.count == 32)
        guard let context = EVP_CIPHER_CTX_new() else { preconditionFailure("out of memory") }
        self.context = context
        key.withBytes { bytes in
            Crypto.insist(
                EVP_CipherInit_ex(
                    context,
                    Crypto.aes256gcm,
                    nil,
                    bytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
                    nil,
                    direction == .seal ? 1 : 0
                ),
                "EVP_CipherInit_ex"
            )
        }
    }

    deinit { EVP_CIPHER_CTX_free(context) }

    /// Seals `plain` to `output` (may be the same memory) and writes the tag to 16 bytes at `tag`.
    package func seal(
        nonce: UnsafeRawPointer,
        associated: UnsafeRawBufferPointer,
        _ plain: UnsafeRawBufferPointer,
        to output: UnsafeMutableRawPointer?,
        tag: UnsafeMutableRawPointer
    ) {
        begin(nonce, associated)
        update(plain, to: output)
        var rest: Int32 = 0
        Crypto.insist(EVP_EncryptFinal_ex(context, Self.bytes(tag), &rest), "EVP_EncryptFinal_ex")
        Crypto.insist(
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(Self.tagBytes), tag),
            "EVP_CTRL_AEAD_GET_TAG"
        )
    }

    /// Opens `sealed` to `output`; false when the tag does not fit, and `output` is then worthless
    /// and must not be looked at.
    package func open(
        nonce: UnsafeRawPointer,
        associated: UnsafeRawBufferPointer,
        _ sealed: UnsafeRawBufferPointer,
        to output: UnsafeMutableRawPointer?,
        tag: UnsafeRawPointer
    ) -> Bool {
        begin(nonce, associated)
        // libcrypto only reads the tag, though the general-purpose call is declared otherwise.
        Crypto.insist(
            EVP_CIPHER_CTX_ctrl(
                context,
                EVP_CTRL_AEAD_SET_TAG,
                Int32(Self.tagBytes),
                UnsafeMutableRawPointer(mutating: tag)
            ),
            "EVP_CTRL_AEAD_SET_TAG"
        )
        update(sealed, to: output)
        var rest: Int32 = 0
        var none: UInt8 = 0
        return EVP_DecryptFinal_ex(context, &none, &rest) > 0
    }

    @inline(__always)
    private func begin(_ nonce: UnsafeRawPointer, _ associated: UnsafeRawBufferPointer) {
        Crypto.insist(
            EVP_CipherInit_ex(context, nil, nil, nil, Self.bytes(nonce), -1),
            "EVP_CipherInit_ex"
        )
        guard associated.count > 0, let base = associated.baseAddress else { return }
        var length: Int32 = 0
        Crypto.insist(
            EVP_CipherUpdate(context, nil, &length, Self.bytes(base), Int32(associated.count)),
            "EVP_CipherUpdate"
        )
    }

    @inline(__always)
    private func update(_ input: UnsafeRawBufferPointer, to output: UnsafeMutableRawPointer?) {
        guard input.count > 0, let base = input.baseAddress, let output else { return }
        var length: Int32 = 0
        Crypto.insist(
            EVP_CipherUpdate(
                context,
                Self.bytes(output),
                &length,
                Self.bytes(base),
                Int32(input.count)
            ),
            "EVP_CipherUpdate"
        )
        precondition(Int(length) == input.count)
    }

    @inline(__always)
    private static func bytes(_ pointer: UnsafeRawPointer) -> UnsafePointer<UInt8> {
        pointer.assumingMemoryBound(to: UInt8.self)
    }

    @inline(__always)
    private static func bytes(_ pointer: UnsafeMutableRawPointer) -> UnsafeMutablePointer<UInt8> {
        pointer.assumingMemoryBound(to: UInt8.self)
    }
}
