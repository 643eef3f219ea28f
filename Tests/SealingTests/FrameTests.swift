import Domain
import Sealing
import Testing

@Suite struct FrameTests {
    let vault = VaultID(random: (1, 2))
    let header = SecureRandom.bytes(64)

    func key(_ object: [UInt8] = [UInt8](repeating: 5, count: 16)) -> ObjectKey {
        ObjectKey(
            scoped: SecretBytes([UInt8](repeating: 9, count: 32)),
            objectID: object,
            vaultID: vault,
            kind: 1
        )
    }

    func seal(
        _ raw: [UInt8],
        number: UInt32 = 3,
        compress: Bool = true,
        with sealer: FrameSealer? = nil
    ) throws -> [UInt8] {
        let sealer = sealer ?? FrameSealer(key: key(), header: header)
        var frame = [UInt8](repeating: 0xaa, count: FrameSealer.bound(rawBytes: raw.count))
        let count = try frame.withUnsafeMutableBytes { output in
            try raw.withUnsafeBytes {
                try sealer.seal($0, kind: 7, number: number, compress: compress, into: output)
            }
        }
        return Array(frame[..<count])
    }

    func open(
        _ frame: [UInt8],
        number: UInt32 = 3,
        room: Int = 1 << 20,
        with opener: FrameOpener? = nil
    ) throws -> (FrameHeader, [UInt8]) {
        let opener = opener ?? FrameOpener(key: key(), header: header)
        var raw = [UInt8](repeating: 0, count: room)
        let found = try raw.withUnsafeMutableBytes { output in
            try frame.withUnsafeBytes { try opener.open($0, expectNumber: number, into: output) }
        }
        #expect(raw[Int(found.rawBytes)...].allSatisfy { $0 == 0 })
        return (found, Array(raw[..<Int(found.rawBytes)]))
    }

    func text(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(97 + $0 / 7 % 11) } }

    @Test(arguments: [
        0, 1, 2, 3, 15, 16, 17, 100, 4095, 8192, 65_537, 131_072, (1 << 20) - 1, 1 << 20, 4 << 20,
    ])
    func `a frame of any size comes back`(size: Int) throws {
        let sealer = FrameSealer(key: key(), header: header)
        let opener = FrameOpener(key: key(), header: header)
        let contents = [text(size), SecureRandom.bytes(size), [UInt8](repeating: 0, count: size)]
        for (number, raw) in contents.enumerated() {
            for compress in [true, false] {
                let number = UInt32(2 * number + (compress ? 0 : 1))
                let frame = try seal(raw, number: number, compress: compress, with: sealer)
                let (found, opened) = try open(frame, number: number, room: size, with: opener)
                #expect(opened == raw)
                #expect(found.frameBytes == frame.count)
                #expect(found.kind == 7 && found.number == number)
                #expect(compress || found.codec == Codec.raw.rawValue)
            }
        }
    }

    @Test func `what shrinks is stored as LZ4, what does not is stored raw`() throws {
        let (small, _) = try open(try seal(text(131_072)))
        #expect(small.codec == Codec.lz4.rawValue)
        #expect(small.storedBytes < 131_072 / 10)
        let (full, _) = try open(try seal(SecureRandom.bytes(131_072)))
        #expect(full.codec == Codec.raw.rawValue)
        #expect(full.storedBytes == 131_072)
    }

    @Test(arguments: [true, false])
    func `every flipped bit of a frame is found`(compress: Bool) throws {
        let raw = text(200)
        let frame = try seal(raw, compress: compress)
        let opener = FrameOpener(key: key(), header: header)
        for bit in 0..<frame.count * 8 {
            var damaged = frame
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            let error = #expect(throws: PgkeepError.self) {
                try open(damaged, room: 4096, with: opener)
            }
            #expect(error?.code == .integrity)
        }
        // The opener itself has taken no harm.
        #expect(try open(frame, with: opener).1 == raw)
    }

    @Test func `a frame cut or prolonged anywhere is found`() throws {
        let frame = try seal(text(200))
        for length in 0..<frame.count {
            #expect(throws: PgkeepError.self) { try open(Array(frame[..<length])) }
        }
        #expect(throws: PgkeepError.self) { try open(frame + [0]) }
    }

    @Test func `a frame fits only its own place`() throws {
        let frame = try seal(text(200))
        let error = #expect(throws: PgkeepError.self) { try open(frame, number: 4) }
        #expect(error?.message.contains("frame 4") == true)
        var otherHeader = header
        otherHeader[63] ^= 1
        let elsewhere = FrameOpener(key: key(), header: otherHeader)
        #expect(throws: PgkeepError.self) { try open(frame, with: elsewhere) }
        let stranger = FrameOpener(
            key: key([UInt8](repeating: 6, count: 16)),
            header: header
        )
        #expect(throws: PgkeepError.self) { try open(frame, with: stranger) }
    }

    @Test func `a frame larger than the caller expects is refused before it is opened`() throws {
        let error = #expect(throws: PgkeepError.self) { try open(try seal(text(200)), room: 199) }
        #expect(error?.code == .integrity)
    }

    @Test func `nothing is given out of a frame with a broken seal`() throws {
        var frame = try seal(text(200), compress: false)
        frame[frame.count - 1] ^= 1
        var raw = [UInt8](repeating: 0, count: 200)
        let opener = FrameOpener(key: key(), header: header)
        #expect(throws: PgkeepError.self) {
            try raw.withUnsafeMutableBytes { output in
                try frame.withUnsafeBytes {
                    _ = try opener.open($0, expectNumber: 3, into: output)
                }
            }
        }
        #expect(raw.allSatisfy { $0 == 0 })
    }

    @Test func `equal content is sealed differently under each number and in each object`() throws {
        let sealer = FrameSealer(key: key(), header: header)
        let other = FrameSealer(key: key([UInt8](repeating: 6, count: 16)), header: header)
        let bodies = try [
            seal(text(64), number: 0, with: sealer), seal(text(64), number: 1, with: sealer),
            seal(text(64), number: 0, with: other),
        ].map { Array($0[16...]) }
        #expect(Set(bodies).count == 3)
    }

    /// A frame whose seal is true but whose content is not what the header says.
    func forge(codec: UInt8, rawBytes: UInt32, stored: [UInt8]) -> [UInt8] {
        let clear = FrameHeader(
            storedBytes: UInt32(stored.count),
            rawBytes: rawBytes,
            kind: 7,
            codec: codec,
            number: 3
        )
        var frame = [UInt8](repeating: 0, count: clear.frameBytes)
        frame.withUnsafeMutableBytes { output in
            clear.encode(into: output)
            let associated = header + output[..<16]
            let nonce = [UInt8](repeating: 0, count: 11) + [3]
            associated.withUnsafeBytes { associated in
                stored.withUnsafeBytes { stored in
                    guard let base = output.baseAddress else { return }
                    GCM(key: key().secret, .seal).seal(
                        nonce: nonce,
                        associated: associated,
                        stored,
                        to: base + 16,
                        tag: base + 16 + stored.count
                    )
                }
            }
        }
        return frame
    }

    @Test func `the nonce and the associated data are as the format says`() throws {
        let raw = text(40)
        #expect(try open(forge(codec: 0, rawBytes: 40, stored: raw)).1 == raw)
    }

    @Test func `a true frame that does not decompress to its length is found`() throws {
        let packed = Array(try seal(text(1000)).dropFirst(16).dropLast(16))
        #expect(packed.count < 900)
        for (rawBytes, stored) in [
            (UInt32(1000), SecureRandom.bytes(500)), (900, [UInt8](repeating: 0xff, count: 800)),
            (100, []),
        ] {
            let error = #expect(throws: PgkeepError.self) {
                try open(forge(codec: 1, rawBytes: rawBytes, stored: stored))
            }
            #expect(error?.code == .integrity)
        }
    }

    @Test func `a codec of a later version is named as such`() throws {
        let error = #expect(throws: PgkeepError.self) {
            try open(forge(codec: 2, rawBytes: 100, stored: text(50)))
        }
        #expect(error?.code == .vaultVersion)
    }

    @Test func `a header beyond the limits is none`() {
        let fields: [FrameHeader] = [
            FrameHeader(
                storedBytes: 5,
                rawBytes: UInt32(Frame.rawBytesMax) + 1,
                kind: 0,
                codec: 1,
                number: 0
            ),
            FrameHeader(storedBytes: 6, rawBytes: 5, kind: 0, codec: 0, number: 0),
        ]
        for field in fields {
            var bytes = [UInt8](repeating: 0, count: 16)
            bytes.withUnsafeMutableBytes { field.encode(into: $0) }
            bytes.withUnsafeBytes { #expect(FrameHeader($0) == nil) }
        }
    }

    @Test func `a frame number is never sealed twice`() async {
        await #expect(processExitsWith: .failure) {
            let key = ObjectKey(
                scoped: SecretBytes([UInt8](repeating: 9, count: 32)),
                objectID: [UInt8](repeating: 5, count: 16),
                vaultID: VaultID(random: (1, 2)),
                kind: 1
            )
            let sealer = FrameSealer(key: key, header: [UInt8](repeating: 0, count: 64))
            var output = [UInt8](repeating: 0, count: 64)
            for _ in 0..<2 {
                _ = try output.withUnsafeMutableBytes { output in
                    try [1, 2, 3].withUnsafeBytes {
                        try sealer.seal($0, kind: 0, number: 0, compress: false, into: output)
                    }
                }
            }
        }
    }
}
