import Platform
import Postgres

/// Makes the tar stream of a base backup, as PostgreSQL's tar.c does, and feeds it to a receiver in
/// pieces of odd lengths.
final class TarMaker {
    /// A file in the stream: its size, and the pages that are not zeros.
    struct File {
        var size: Int
        var pages: [Int: [UInt8]] = [:]

        /// A file whose content is known byte by byte.
        init(_ content: [UInt8]) {
            size = content.count
            for (page, start) in stride(from: 0, to: content.count, by: 8192).enumerated() {
                pages[page] = Array(content[start..<min(start + 8192, content.count)])
            }
        }

        /// A file of zeros with some other pages.
        init(size: Int, pages: [Int: [UInt8]]) {
            self.size = size
            self.pages = pages
        }

        /// CRC-32C of the content.
        var checksum: UInt32 {
            var crc: UInt32 = 0
            forEachPart { crc = $0.withUnsafeBytes { CRC32C.of($0, from: crc) } }
            return crc
        }

        /// Goes through the content in order.
        func forEachPart(_ body: (ArraySlice<UInt8>) throws -> Void) rethrows {
            let zeros = [UInt8](repeating: 0, count: 1 << 20)
            var position = 0
            for page in pages.keys.sorted() + [Int.max] {
                let next = page == Int.max ? size : page * 8192
                while position < next {
                    let hole = zeros[..<min(zeros.count, next - position)]
                    try body(hole)
                    position += hole.count
                }
                guard let content = pages[page]?.prefix(size - position) else { continue }
                try body(content)
                position += content.count
            }
        }
    }

    private let receiver: any BaseBackupHandler
    private var waiting: [UInt8] = []
    private var turn = 0

    /// Lengths in which the stream is cut: primes, and some larger than the pipeline's buffers.
    private static let pieces = [8191, 1_500_007, 13, 262_147, 1]

    init(_ receiver: any BaseBackupHandler) { self.receiver = receiver }

    /// Sends one file.
    func send(_ file: File, as path: [UInt8]) throws {
        try push(Self.header(path, size: file.size, kind: "0"))
        try file.forEachPart { try push($0) }
        try push([UInt8](repeating: 0, count: (512 - file.size % 512) % 512))
    }

    /// Sends a directory.
    func sendDirectory(_ path: String) throws {
        try push(Self.header(Array(path.utf8), size: 0, kind: "5"))
    }

    /// Sends the end of the archive and everything still held back.
    func finish() throws {
        waiting += [UInt8](repeating: 0, count: 1024)
        try waiting.withUnsafeBytes { try receiver.data($0) }
        waiting = []
    }

    private func push(_ bytes: some Collection<UInt8>) throws {
        waiting += bytes
        var start = 0
        while true {
            let length = Self.pieces[turn % Self.pieces.count]
            guard waiting.count - start >= length else { break }
            try waiting[start..<start + length].withUnsafeBytes { try receiver.data($0) }
            start += length
            turn += 1
        }
        waiting.removeFirst(start)
    }

    private static func header(_ path: [UInt8], size: Int, kind: Character) -> [UInt8] {
        precondition(path.count < 100)
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: [UInt8], at offset: Int) {
            header.replaceSubrange(offset..<offset + text.count, with: text)
        }
        func octal(_ value: Int, _ digits: Int) -> [UInt8] {
            let text = String(value, radix: 8)
            return Array((String(repeating: "0", count: digits - text.count) + text).utf8)
        }
        put(path, at: 0)
        put(octal(kind == "5" ? 0o700 : 0o600, 7), at: 100)
        put(octal(0, 7), at: 108)
        put(octal(0, 7), at: 116)
        put(octal(size, 11), at: 124)
        put(octal(1_700_000_000, 11), at: 136)
        put([UInt8](repeating: 32, count: 8), at: 148)
        put(Array(String(kind).utf8), at: 156)
        put(Array("ustar\u{0}00".utf8), at: 257)
        put(octal(header.reduce(0) { $0 + Int($1) }, 6) + [0, 32], at: 148)
        return header
    }
}
