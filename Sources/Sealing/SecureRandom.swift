internal import CCrypto

/// Random bytes fit for keys and identifiers, from libcrypto's generator.
public enum SecureRandom {
    /// `count` random bytes.
    public static func bytes(_ count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            fill(UnsafeMutableRawBufferPointer(buffer))
            initialized = count
        }
    }

    /// Overwrites all of `buffer`. A generator that fails ends the process: nothing weaker is used.
    public static func fill(_ buffer: UnsafeMutableRawBufferPointer) {
        guard let base = buffer.baseAddress, buffer.count > 0 else { return }
        Crypto.insist(
            RAND_bytes(base.assumingMemoryBound(to: UInt8.self), Int32(buffer.count)),
            "RAND_bytes"
        )
    }
}
