import Domain
import Sealing
import Testing

/// Bytes of hexadecimal digits.
func hex(_ text: String) -> [UInt8] {
    let digits = Array(text.utf8).map { $0 < 58 ? $0 - 48 : $0 - 87 }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

/// The bytes of a secret, for comparing.
func bytes(_ secret: SecretBytes) -> [UInt8] { secret.withBytes { Array($0) } }

/// Published test vectors, so that no mistake of ours can agree with itself.
@Suite struct VectorTests {
    struct GCMVector: Sendable {
        var key = String(repeating: "0", count: 64)
        var nonce = String(repeating: "0", count: 24)
        var associated = ""
        var plain = ""
        var sealed = ""
        var tag: String
    }

    // McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13, 14 and 16.
    @Test(arguments: [
        GCMVector(tag: "530f8afbc74536b9a963b4f1c4cb738b"),
        GCMVector(
            plain: "00000000000000000000000000000000",
            sealed: "cea7403d4d606b6e074ec5d3baf39d18",
            tag: "d0d1c8a799996bf0265b98b5d48ab919"
        ),
        GCMVector(
            key: "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
            nonce: "cafebabefacedbaddecaf888",
            associated: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            plain: "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                + "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
            sealed: "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                + "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
            tag: "76fc6ece0f4e1768cddf8853bb2d551b"
        ),
    ])
    func `AES-256-GCM gives the published ciphertexts`(vector: GCMVector) {
        let key = SecretBytes(hex(vector.key))
        let (nonce, associated) = (hex(vector.nonce), hex(vector.associated))
        let plain = hex(vector.plain)
        let sealer = GCM(key: key, .seal)
        let opener = GCM(key: key, .open)
        // Twice: the second message must not remember the first.
        for _ in 0..<2 {
            var sealed = [UInt8](repeating: 0xee, count: plain.count + 16)
            sealed.withUnsafeMutableBytes { output in
                plain.withUnsafeBytes { plain in
                    associated.withUnsafeBytes {
                        guard let base = output.baseAddress else { return }
                        sealer.seal(
                            nonce: nonce,
                            associated: $0,
                            plain,
                            to: base,
                            tag: base + plain.count
                        )
                    }
                }
            }
            #expect(sealed == hex(vector.sealed) + hex(vector.tag))
            var opened = [UInt8](repeating: 0xee, count: plain.count)
            let fits = opened.withUnsafeMutableBytes { output in
                sealed.withUnsafeBytes { sealed in
                    associated.withUnsafeBytes { associated in
                        guard let base = sealed.baseAddress else { return false }
                        return opener.open(
                            nonce: nonce,
                            associated: associated,
                            UnsafeRawBufferPointer(rebasing: sealed[..<plain.count]),
                            to: output.baseAddress,
                            tag: base + plain.count
                        )
                    }
                }
            }
            #expect(fits)
            #expect(opened == plain)
        }
    }

    // RFC 5869, test cases 1 and 3.
    @Test func `HKDF-SHA256 gives the published keys`() {
        let input = [UInt8](repeating: 0x0b, count: 22)
        input.withUnsafeBytes { input in
            let first = KeyDerivation.hkdf(
                input,
                salt: Array(0...12),
                info: Array(0xf0...0xf9),
                count: 42
            )
            #expect(
                bytes(first)
                    == hex(
                        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
                            + "34007208d5b887185865"
                    )
            )
            let third = KeyDerivation.hkdf(input, salt: [], info: [], count: 42)
            #expect(
                bytes(third)
                    == hex(
                        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
                            + "9d201395faa4b61a96c8"
                    )
            )
        }
    }

    // RFC 7914, section 12.
    @Test(arguments: [
        (
            "", "", ScryptCost(unchecked: 16, 1, 1),
            "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
                + "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"
        ),
        (
            "password", "NaCl", ScryptCost(unchecked: 1024, 8, 16),
            "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
                + "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"
        ),
        (
            "pleaseletmein", "SodiumChloride", ScryptCost(unchecked: 16384, 8, 1),
            "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
                + "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
        ),
    ])
    func `scrypt gives the published keys`(
        passphrase: String,
        salt: String,
        cost: ScryptCost,
        expected: String
    ) throws {
        let key = try Array(passphrase.utf8).withUnsafeBytes {
            try KeyDerivation.scrypt($0, salt: Array(salt.utf8), cost: cost, count: 64)
        }
        #expect(bytes(key) == hex(expected))
    }

    @Test func `SHA-256 gives the published digests, whole and in pieces`() {
        let empty = hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        let abc = hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(SHA256.digest([]) == empty)
        #expect(SHA256.digest(Array("abc".utf8)) == abc)
        var digest = SHA256()
        for byte in "abc".utf8 { [byte].withUnsafeBytes { digest.update($0) } }
        #expect(digest.finish() == abc)
        #expect(digest.finish() == empty)
    }

    @Test func `a fingerprint is the beginning of the GMAC`() {
        // The tag of an empty message under the zero key is that of GCM test case 13.
        let zero = Fingerprinter(key: SecretBytes([UInt8](repeating: 0, count: 32)))
        let empty = zero.fingerprint(UnsafeRawBufferPointer(start: nil, count: 0))
        #expect(withUnsafeBytes(of: empty.littleEndian, Array.init) == hex("530f8afbc74536b9"))

        let key = SecretBytes.random(count: 32)
        let page = (0..<8192).map { UInt8(truncatingIfNeeded: $0 &* 37) }
        var tag = [UInt8](repeating: 0, count: 16)
        let nonce = [UInt8](repeating: 0, count: 12)
        page.withUnsafeBytes { page in
            tag.withUnsafeMutableBytes { tag in
                guard let tag = tag.baseAddress else { return }
                GCM(key: key, .seal).seal(
                    nonce: nonce,
                    associated: page,
                    UnsafeRawBufferPointer(start: nil, count: 0),
                    to: nil,
                    tag: tag
                )
            }
            let value = Fingerprinter(key: key).fingerprint(page)
            #expect(withUnsafeBytes(of: value.littleEndian, Array.init) == Array(tag[..<8]))
        }
    }
}
