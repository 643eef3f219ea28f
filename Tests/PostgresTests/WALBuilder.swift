import Domain
import Platform
import TestSupport

// Makes WAL page by page and record by record: for what a server writes only by rare accidents.
struct WALBuilder {
    static let magics: [Int: UInt16] = [
        13: 0xD106, 14: 0xD10D, 15: 0xD110, 16: 0xD113, 17: 0xD116, 18: 0xD118,
    ]

    let start: LSN
    let segmentSize: WALSegmentSize
    let magic: UInt16
    var timeline: UInt32 = 1
    private(set) var bytes: [UInt8] = []
    private(set) var previous = LSN.zero
    private(set) var starts: [LSN] = []

    init(start: LSN, segmentMegabytes: UInt64 = 1, major: Int = 18) throws {
        guard let size = WALSegmentSize(bytes: segmentMegabytes << 20),
            let magic = Self.magics[major]
        else { throw PgkeepError(.unexpected, "no such geometry") }
        self.start = start
        segmentSize = size
        self.magic = magic
    }

    var position: LSN { start + UInt64(bytes.count) }

    static func little<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }

    mutating func page(flags: UInt16 = 0, remaining: Int = 0) {
        precondition(position.rawValue % 8192 == 0)
        let address = position.rawValue
        let isFirst = address % segmentSize.bytes == 0
        bytes += Self.little(magic) + Self.little(flags | (isFirst ? 2 : 0))
        bytes += Self.little(timeline) + Self.little(address)
        bytes += Self.little(UInt32(remaining)) + [0, 0, 0, 0]
        guard isFirst else { return }
        bytes += Self.little(UInt64(4711)) + Self.little(UInt32(segmentSize.bytes))
        bytes += Self.little(UInt32(8192))
    }

    /// A whole record's bytes, as they are before pages cut them.
    func record(_ resource: UInt8, _ info: UInt8, xid: UInt32 = 0, _ body: [UInt8]) -> [UInt8] {
        let head =
            Self.little(UInt32(24 + body.count)) + Self.little(xid)
            + Self.little(previous.rawValue) + [info, resource, 0, 0]
        let first = body.withUnsafeBytes { CRC32C.of($0) }
        let checksum = head.withUnsafeBytes { CRC32C.of($0, from: first) }
        return head + Self.little(checksum) + body
    }

    static func main(_ data: [UInt8]) -> [UInt8] {
        data.count < 256
            ? [255, UInt8(data.count)] + data : [254] + little(UInt32(data.count)) + data
    }

    /// Appends a record over as many pages as it takes, but not more than `limit` of its bytes.
    mutating func add(_ record: [UInt8], limit: Int = .max) {
        if position.rawValue % 8192 == 0 { page() }
        starts.append(position)
        if limit == .max { previous = position }
        var rest = record.prefix(limit)
        var missing = record.count
        while !rest.isEmpty {
            if position.rawValue % 8192 == 0 { page(flags: 1, remaining: missing) }
            let room = 8192 - Int(position.rawValue % 8192)
            let piece = rest.prefix(room)
            bytes += piece
            missing -= piece.count
            rest = rest.dropFirst(piece.count)
        }
        if limit == .max { bytes += [UInt8](repeating: 0, count: -bytes.count & 7) }
    }

    mutating func commit(xid: UInt32, time: Int64) {
        add(record(1, 0, xid: xid, Self.main(Self.little(time))))
    }

    /// A record of another resource manager.
    mutating func noise(_ length: Int) {
        add(record(10, 0, xid: 1, [UInt8](repeating: 0xAB, count: length)))
    }

    /// Fills with zeros up to the end of the page.
    mutating func fillPage() {
        bytes += [UInt8](repeating: 0, count: (8192 - bytes.count % 8192) % 8192)
    }
}
