import Domain
import Glibc
import Platform
import Sealing
import Storage
import TestSupport
import Vaulting

/// A vault in memory with the WAL of one made-up server: bytes that can be had again by position.
struct WALFixture {
    let store = MemoryStore()
    let vault: Vault
    let system = SystemIdentifier(7_123_456_789_012_345_678)
    let size: WALSegmentSize
    let timeline: TimelineID = 1
    private let source: [UInt8]

    /// `segments` of 1 MiB each; every fourth KiB is random, the rest compresses to nothing.
    init(segments: Int = 1) throws {
        vault = try Vault.create(
            store: store,
            keySource: .keyFile(SecretBytes.random(count: 32))
        )
        guard let size = WALSegmentSize(bytes: 1 << 20) else {
            throw PgkeepError(.unexpected, "no segment size")
        }
        self.size = size
        source = Self.source
        precondition(segments << 20 <= source.count)
    }

    // Built once: in debug builds making it takes longer than many a test.
    private static let source: [UInt8] = {
        var random = SeededRandom(seed: 1)
        let pattern = random.bytes(1024)
        return [UInt8](unsafeUninitializedCapacity: 3 << 20) { buffer, count in
            for start in stride(from: 0, to: 3 << 20, by: 1024) {
                let isRandom = start % 4096 == 0
                let place = UnsafeMutableRawBufferPointer(
                    UnsafeMutableBufferPointer(rebasing: buffer[start..<start + 1024])
                )
                place.initializeMemory(as: UInt8.self, repeating: UInt8(start >> 10 & 0xff))
                guard isRandom else { continue }
                let turn = start >> 10 & 1023
                place.copyBytes(from: pattern[turn...])
                UnsafeMutableRawBufferPointer(rebasing: place[(1024 - turn)...])
                    .copyBytes(from: pattern[..<turn])
            }
            count = 3 << 20
        }
    }()

    func segment(_ number: UInt64, timeline: TimelineID = 1) -> WALSegment {
        WALSegment(timeline: timeline, number: number, size: size)
    }

    /// The server's bytes from `start` on.
    func bytes(_ start: LSN, _ count: Int) -> ArraySlice<UInt8> {
        source[Int(start.rawValue)..<Int(start.rawValue) + count]
    }

    func content(_ segment: WALSegment) -> ArraySlice<UInt8> {
        bytes(segment.start, Int(segment.size.bytes))
    }

    func session() -> PointID {
        PointID(time: SystemClock().now, random: (.random(in: 0 ... .max), .random(in: 0 ... .max)))
    }

    func writer(
        _ segment: WALSegment,
        session: PointID? = nil,
        leftovers: [WALArchive.Entry] = []
    ) throws -> WALJournalWriter {
        try WALJournalWriter(
            vault,
            system,
            segment: segment,
            session: session ?? self.session(),
            leftovers: leftovers
        )
    }

    /// Appends the server's bytes up to an offset of the segment.
    func feed(_ writer: WALJournalWriter, to offset: UInt64) throws {
        let start = writer.position
        let count = Int(writer.segment.start + offset - start)
        try feed(writer, Array(bytes(start, count)))
    }

    func feed(_ writer: WALJournalWriter, _ bytes: [UInt8]) throws {
        let taken = try bytes.withUnsafeBytes { try writer.append($0) }
        precondition(taken == bytes.count)
    }

    func archive() throws -> WALArchive {
        try WALArchive.load(vault, system, segmentSize: size)
    }

    var reader: WALSegmentReader { WALSegmentReader(vault, system) }

    /// All bytes the archive gives for a segment; nil when it is not archived.
    func read(_ segment: WALSegment) throws -> [UInt8]? {
        var bytes: [UInt8] = []
        let length = try reader.read(segment.name) { bytes.append(contentsOf: $0) }
        guard let length else { return nil }
        precondition(length == UInt64(bytes.count))
        return bytes
    }

    /// The WAL objects in the store by form.
    func names(_ matches: (WALObjectName.Form) -> Bool = { _ in true }) -> [WALObjectName] {
        store.names.compactMap(WALObjectName.init).filter { matches($0.form) }
    }

    var journals: [WALObjectName] { names { if case .journal = $0 { true } else { false } } }
    var alternates: [WALObjectName] { names { if case .alternate = $0 { true } else { false } } }
}

/// Equality of bytes at the speed of memory, in debug builds too.
func same(_ left: [UInt8]?, _ right: ArraySlice<UInt8>) -> Bool {
    guard let left, left.count == right.count else { return false }
    return left.withUnsafeBytes { first in
        right.withUnsafeBytes { second in
            guard let a = first.baseAddress, let b = second.baseAddress else { return true }
            return memcmp(a, b, first.count) == 0
        }
    }
}

/// The code of the error a body throws, nil when it throws none.
func thrownCode(_ body: () throws -> Void) throws -> ErrorCode? {
    do {
        try body()
        return nil
    } catch let error as PgkeepError {
        return error.code
    }
}
