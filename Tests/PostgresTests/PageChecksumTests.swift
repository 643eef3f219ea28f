import Domain
import Postgres
import TestSupport
import Testing

struct PageChecksumTests {
    private func verdicts(_ bytes: [UInt8], firstBlock: UInt32) -> [PageChecksum.Verdict] {
        bytes.withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count, by: 8192).map { offset in
                let page = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + 8192])
                return PageChecksum.verify(page, block: firstBlock + UInt32(offset / 8192))
            }
        }
    }

    @Test(arguments: Fixture.majors)
    func `a server's pages are sound, and no flipped bit goes unseen`(major: Int) throws {
        var random = SeededRandom(stream: "page \(major)")
        // Two pages of pg_attribute, written by a server with checksums.
        let pages = try Fixture.bytes(major, "pages")
        #expect(verdicts(pages, firstBlock: 3) == [.sound, .sound])
        #expect(verdicts(pages, firstBlock: 2) != [.sound, .sound])
        for _ in 0..<200 {
            var flipped = pages
            let at = Int.random(in: 0..<8192, using: &random)
            flipped[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            #expect(verdicts(flipped, firstBlock: 3)[0] != .sound, "byte \(at)")
        }
    }

    @Test func `a wrong page tells its position`() throws {
        var pages = try Fixture.bytes(18, "pages")
        let word = { (at: Int) in
            (0..<4).reduce(UInt64(0)) { $0 | UInt64(pages[at + $1]) << (8 * UInt64($1)) }
        }
        let lsn = LSN(word(0) << 32 | word(4))
        pages[8000] ^= 1
        guard case .wrong(let expected, let found, lsn) = verdicts(pages, firstBlock: 3)[0] else {
            Issue.record("not found wrong")
            return
        }
        #expect(expected != found)
    }

    @Test func `an unused page must be all zeros`() {
        var page = [UInt8](repeating: 0, count: 8192)
        #expect(verdicts(page, firstBlock: 0) == [.new])
        page[8191] = 1
        #expect(verdicts(page, firstBlock: 0) == [.dirtyNew])
    }
}
