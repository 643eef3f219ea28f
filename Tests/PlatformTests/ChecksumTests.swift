import Platform
import TestSupport
import Testing

/// CRC-32C against published values and against itself, and the all-zero test.
struct ChecksumTests {
    private func crc(_ bytes: [UInt8], from start: UInt32 = 0) -> UInt32 {
        bytes.withUnsafeBytes { CRC32C.of($0, from: start) }
    }

    /// Bit by bit, as the polynomial says.
    private func slow(_ bytes: [UInt8]) -> UInt32 {
        var crc = ~UInt32(0)
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = (crc >> 1) ^ (crc & 1 == 1 ? 0x82f6_3b78 : 0) }
        }
        return ~crc
    }

    @Test func `known values come out`() {
        // RFC 3720, appendix B.4, and the check value of every CRC catalogue.
        #expect(crc(Array("123456789".utf8)) == 0xe306_9283)
        #expect(crc([UInt8](repeating: 0, count: 32)) == 0x8a91_36aa)
        #expect(crc([UInt8](repeating: 0xff, count: 32)) == 0x62a8_ab43)
        #expect(crc((0..<32).map { UInt8($0) }) == 0x46dd_794e)
        #expect(crc((0..<32).map { UInt8(31 - $0) }) == 0x113f_db5c)
        #expect(crc([]) == 0)
    }

    @Test func `the striped code agrees with the polynomial at every length and alignment`() {
        var random = SeededRandom(stream: "crc")
        for length in [
            0, 1, 7, 8, 9, 255, 2727, 2728, 8183, 8184, 8185, 8192, 16_367, 16_368, 30_000,
        ] {
            for offset in 0..<3 {
                let bytes = random.bytes(length + offset)
                let part = Array(bytes[offset...])
                let aligned = bytes.withUnsafeBytes {
                    CRC32C.of(UnsafeRawBufferPointer(rebasing: $0[offset...]))
                }
                #expect(aligned == slow(part), "\(length) bytes at \(offset)")
            }
        }
    }

    @Test func `parts combine to the whole, and calls chain`() {
        var random = SeededRandom(stream: "crc combine")
        for _ in 0..<300 {
            let bytes = random.bytes(Int.random(in: 0...20_000, using: &random))
            let cut = Int.random(in: 0...bytes.count, using: &random)
            let head = Array(bytes[..<cut])
            let tail = Array(bytes[cut...])
            let whole = crc(bytes)
            #expect(crc(tail, from: crc(head)) == whole)
            #expect(
                CRC32C.combine(crc(head), crc(tail), lengthOfSecond: UInt64(tail.count)) == whole
            )
        }
        // A length beyond 32 bits: at once, and block by block.
        let blocks: UInt64 = 5 << 10
        let block = crc([UInt8](repeating: 0, count: 1 << 20))
        let head = crc([1, 2, 3])
        var zeros: UInt32 = 0
        var stepwise = head
        let combiner = CRC32CJoiner(blockLength: 1 << 20)
        for _ in 0..<blocks {
            zeros = combiner.append(block, to: zeros)
            stepwise = CRC32C.combine(stepwise, block, lengthOfSecond: 1 << 20)
        }
        #expect(CRC32C.combine(head, zeros, lengthOfSecond: blocks << 20) == stepwise)
    }

    @Test func `a single byte that is not zero is found wherever it is`() {
        #expect(isZero(UnsafeRawBufferPointer(start: nil, count: 0)))
        var page = [UInt8](repeating: 0, count: 8192)
        #expect(page.withUnsafeBytes { isZero($0) })
        for index in [0, 1, 7, 8, 4095, 4096, 8190, 8191] {
            page[index] = 1
            #expect(!page.withUnsafeBytes { isZero($0) }, "byte \(index)")
            page[index] = 0
        }
        #expect(![UInt8](repeating: 7, count: 100).withUnsafeBytes { isZero($0) })
    }

    @Test func `wiping leaves nothing`() {
        var secret: [UInt8] = Array("correct horse".utf8)
        secret.withUnsafeMutableBytes { wipe($0) }
        #expect(secret.allSatisfy { $0 == 0 })
    }
}
