import Domain
import Platform

// A record whose bytes come in several pieces. Of its body only what `WALRecord` needs is kept;
// the rest goes through the checksum and is gone, so memory stays bounded for records of any size.
struct PendingRecord {
    private(set) var start = LSN.zero
    private(set) var isActive = false
    // False for the rest of a record that began before the walk: it can only be skipped.
    private(set) var isVerified = false
    private(set) var total = 0
    private(set) var taken = 0
    private var checksum: UInt32 = 0
    private var kept: [UInt8] = []
    private var needed = WALRecord.headerSize

    init() { kept.reserveCapacity(512) }

    // The bytes still missing; known once the length is.
    var remaining: Int { total - taken }
    var hasLength: Bool { taken >= 4 || !isVerified }
    var hasHeader: Bool { taken >= WALRecord.headerSize }
    var isComplete: Bool { hasLength && taken == total }

    mutating func begin(at position: LSN) {
        start = position
        isActive = true
        isVerified = true
        total = 0
        taken = 0
        checksum = 0
        kept.removeAll(keepingCapacity: true)
        needed = WALRecord.headerSize
    }

    mutating func skip(_ bytes: Int, at position: LSN) {
        begin(at: position)
        isVerified = false
        total = bytes
    }

    mutating func drop() { isActive = false }

    // Takes what of `bytes` belongs to the record; stops after the length and after the header, so
    // that the caller can judge them first. Returns how much was taken.
    mutating func take(_ bytes: UnsafeRawBufferPointer) -> Int {
        let goal = hasLength ? (hasHeader || !isVerified ? total : WALRecord.headerSize) : 4
        let used = min(goal - taken, bytes.count)
        let piece = bytes.part(0, used)
        if isVerified {
            if hasHeader { checksum = CRC32C.of(piece, from: checksum) }
            let room = max(0, needed - kept.count)
            if room > 0 { kept.append(contentsOf: piece.prefix(room)) }
        }
        let hadLength = hasLength
        let hadHeader = hasHeader
        taken += used
        if isVerified, !hadLength, hasLength {
            total = Int(kept.withUnsafeBytes { $0.field(0, as: UInt32.self) })
        }
        if isVerified, !hadHeader, hasHeader {
            needed = kept.withUnsafeBytes { WALRecord.bytesNeeded(header: $0, total: total) }
        }
        return used
    }

    var previous: LSN { kept.withUnsafeBytes { LSN($0.field(8)) } }

    // See `WALRecord.changes`; known once the header is.
    var changes: Bool { WALRecord.changes(manager: kept[17], info: kept[16]) }

    // True when the complete record's checksum is the one it carries.
    var isSound: Bool {
        kept.withUnsafeBytes { bytes in
            CRC32C.of(bytes.part(0, 20), from: checksum) == bytes.field(20, as: UInt32.self)
        }
    }

    func kind(end: LSN, majorVersion: Int) -> Result<WALEvent.Kind?, WALRecord.Malformed> {
        kept.withUnsafeBytes {
            WALRecord(bytes: $0, total: total, majorVersion: majorVersion)
                .kind(start: start, end: end)
        }
    }
}
