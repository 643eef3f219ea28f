/// Keyed 64-bit fingerprints of pages: equal pages have equal ones, and without the key nobody can
/// make two different pages collide.
///
/// The value is the first 8 bytes, read little-endian, of the AES-256-GMAC of the page under the
/// fingerprint key and an all-zero nonce. GMAC with one nonce is a secret universal hash, which is
/// enough because fingerprints are only ever stored inside sealed frames. Two different pages agree
/// by chance with probability 2^-64. One context is reused: not thread safe, one for each thread.
public final class Fingerprinter {
    private let gcm: GCM
    // 12 bytes nonce (zeros, never written), then 16 bytes for the tag.
    private let scratch: UnsafeMutableRawPointer

    /// A fingerprinter under the vault's fingerprint key (32 bytes).
    public init(key: SecretBytes) {
        gcm = GCM(key: key, .seal)
        scratch = .allocate(byteCount: 32, alignment: 16)
        scratch.initializeMemory(as: UInt8.self, repeating: 0, count: 32)
    }

    deinit { scratch.deallocate() }

    /// The fingerprint of `page`, any length up to `Frame.rawBytesMax`; the bytes are only read.
    public func fingerprint(_ page: UnsafeRawBufferPointer) -> UInt64 {
        precondition(page.count <= Frame.rawBytesMax)
        gcm.seal(
            nonce: scratch,
            associated: page,
            UnsafeRawBufferPointer(start: nil, count: 0),
            to: nil,
            tag: scratch + 16
        )
        return UInt64(littleEndian: (scratch + 16).load(as: UInt64.self))
    }
}
