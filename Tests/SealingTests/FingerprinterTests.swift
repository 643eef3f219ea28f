import Sealing
import Testing

@Suite struct FingerprinterTests {
    @Test func `equal pages agree, also between fingerprinters and after other pages`() {
        let key = SecretBytes.random(count: 32)
        let (one, other) = (Fingerprinter(key: key), Fingerprinter(key: key))
        let page = SecureRandom.bytes(8192)
        let value = page.withUnsafeBytes { one.fingerprint($0) }
        for _ in 0..<10 {
            _ = SecureRandom.bytes(8192).withUnsafeBytes { other.fingerprint($0) }
            #expect(page.withUnsafeBytes { other.fingerprint($0) } == value)
        }
    }

    @Test func `every changed bit of a page is seen`() {
        let fingerprinter = Fingerprinter(key: .random(count: 32))
        var page = [UInt8](repeating: 0, count: 8192)
        var seen: Set = [page.withUnsafeBytes { fingerprinter.fingerprint($0) }]
        for bit in 0..<page.count * 8 {
            page[bit / 8] ^= 1 << UInt8(bit % 8)
            seen.insert(page.withUnsafeBytes { fingerprinter.fingerprint($0) })
            page[bit / 8] ^= 1 << UInt8(bit % 8)
        }
        #expect(seen.count == page.count * 8 + 1)
    }

    @Test func `another key gives other fingerprints`() {
        let page = [UInt8](repeating: 7, count: 8192)
        let values = (0..<16).map { _ in
            page.withUnsafeBytes { Fingerprinter(key: .random(count: 32)).fingerprint($0) }
        }
        #expect(Set(values).count == 16)
    }
}
