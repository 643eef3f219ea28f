// Makes tar archives in the dialect of PostgreSQL's src/port/tar.c, and broken ones.
struct TarBuilder {
    private(set) var bytes: [UInt8] = []

    static func header(
        _ name: [UInt8],
        type: UInt8 = 0x30,
        size: UInt64 = 0,
        link: String = "",
        change: (inout [UInt8]) -> Void = { _ in }
    ) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ text: [UInt8], _ offset: Int) {
            block.replaceSubrange(offset..<offset + text.count, with: text)
        }
        func octal(_ value: UInt64, _ width: Int) -> [UInt8] {
            let digits = String(value, radix: 8)
            let zeros = String(repeating: "0", count: width - digits.utf8.count)
            return Array((zeros + digits + " ").utf8)
        }
        put(name, 0)
        put(octal(0o600, 7), 100)
        put(octal(0, 7), 108)
        put(octal(0, 7), 116)
        if size < 1 << 33 {
            put(octal(size, 11), 124)
        } else {
            put(
                [0x80] + (0..<11).map { UInt8((size >> (8 * UInt64(min(10 - $0, 7)))) & 0xff) },
                124
            )
            for index in 125..<128 { block[index] = 0 }
        }
        put(octal(1_700_000_000, 11), 136)
        block[156] = type
        put(Array(link.utf8), 157)
        put([0x75, 0x73, 0x74, 0x61, 0x72, 0, 0x30, 0x30], 257)
        put(Array("postgres".utf8), 265)
        put(Array("postgres".utf8), 297)
        change(&block)
        put([UInt8](repeating: 0x20, count: 8), 148)
        put(octal(block.reduce(0) { $0 + UInt64($1) }, 7), 148)
        return block
    }

    mutating func file(_ name: String, _ content: [UInt8]) {
        file(Array(name.utf8), content)
    }

    mutating func file(_ name: [UInt8], _ content: [UInt8]) {
        bytes += Self.header(name, size: UInt64(content.count)) + content
        bytes += [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
    }

    mutating func directory(_ name: String) {
        bytes += Self.header(Array(name.utf8), type: 0x35)
    }

    mutating func link(_ name: String, to target: String) {
        bytes += Self.header(Array(name.utf8), type: 0x32, link: target)
    }

    mutating func trailer() { bytes += [UInt8](repeating: 0, count: 1024) }
}
