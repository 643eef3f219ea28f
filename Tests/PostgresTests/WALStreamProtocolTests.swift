import Domain
import Postgres
import Testing

private func big(_ value: UInt64) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }

private func wal(_ start: UInt64, _ count: Int, end: UInt64 = 0) -> [UInt8] {
    [UInt8(ascii: "w")] + big(start) + big(end) + big(0) + [UInt8](repeating: 7, count: count)
}

private func keepalive(_ end: UInt64, reply: Bool) -> [UInt8] {
    [UInt8(ascii: "k")] + big(end) + big(1_000_000) + [reply ? 1 : 0]
}

extension WALStreamProtocol {
    /// What a message means, in words.
    fileprivate mutating func said(_ bytes: [UInt8]) throws -> String {
        try bytes.withUnsafeBytes { raw in
            switch try receive(copy: raw) {
            case .wal(let bytes, let position): "wal \(position) \(bytes.count)"
            case .keepalive(let time, let end, let wants): "alive \(time) \(end) \(wants)"
            case nil: "nothing"
            }
        }
    }
}

@Suite struct WALStreamProtocolTests {
    private func streaming(slot: String? = nil) throws -> WALStreamProtocol {
        var stream = WALStreamProtocol(start: LSN(0x100_0000), slot: slot)
        try stream.receive(.copyBoth)
        #expect(stream.next == .copy)
        return stream
    }

    @Test func `WAL comes without holes`() throws {
        var stream = try streaming()
        #expect(try stream.said(wal(0x100_0000, 100, end: 0x200_0000)) == "wal 0/1000000 100")
        #expect(stream.serverEnd == LSN(0x200_0000))
        #expect(try stream.said(wal(0x100_0064, 1)) == "wal 0/1000064 1")
        #expect(stream.received == LSN(0x100_0065))
        for start: UInt64 in [0x100_0064, 0x100_0066] {
            var copy = stream
            #expect(throws: PgkeepError.self) { try copy.said(wal(start, 1)) }
        }
    }

    @Test func `keepalives tell time and position`() throws {
        var stream = try streaming()
        #expect(
            try stream.said(keepalive(0x300_0000, reply: true))
                == "alive 2000-01-01T00:00:01Z 0/3000000 true"
        )
        #expect(stream.serverEnd == LSN(0x300_0000))
        for bad in [[], [UInt8(ascii: "x")], Array("k12".utf8), Array("w12".utf8)] {
            var copy = stream
            #expect(throws: PgkeepError.self) { try copy.said(bad) }
        }
    }

    @Test(arguments: [1, 2]) func `our stop ends after one or two completions`(
        completions: Int
    ) throws {
        var stream = try streaming()
        _ = try stream.said(wal(0x100_0000, 8))
        stream.stop()
        // What was under way is passed over, whatever its position.
        #expect(try stream.said(wal(0x100_0008, 8)) == "nothing")
        #expect(try stream.said(wal(0x100_0010, 8)) == "nothing")
        try stream.copyEnded()
        for _ in 0..<completions { try stream.receive(.complete("START_STREAMING")) }
        try stream.receive(.finished)
        #expect(stream.next == .nothing)
        #expect(stream.end == WALStreamEnd(reason: .stopped, received: LSN(0x100_0008)))
    }

    @Test func `a timeline's end tells where the next begins`() throws {
        var stream = try streaming()
        _ = try stream.said(wal(0x100_0000, 8))
        try stream.copyEnded()
        try stream.receive(.copyIn)
        #expect(stream.next == .endCopy)
        stream.copyEndSent()
        try stream.receive(.rows([["2", "0/1000004"]]))
        try stream.receive(.complete("START_REPLICATION"))
        try stream.receive(.finished)
        #expect(
            stream.end
                == WALStreamEnd(
                    reason: .timelineEnded(next: 2, fork: LSN(0x100_0004)),
                    received: LSN(0x100_0008)
                )
        )
    }

    @Test func `a start where the timeline ends needs no copy`() throws {
        var stream = WALStreamProtocol(start: LSN(0x100_0000), slot: nil)
        try stream.receive(.rows([["5", "0/1000000"]]))
        try stream.receive(.complete("START_REPLICATION"))
        try stream.receive(.finished)
        #expect(
            stream.end?.reason == .timelineEnded(next: 5, fork: LSN(0x100_0000))
        )
    }

    @Test func `a server that stops says so or just goes`() throws {
        for last in [
            ServerAnswer.finished,
            .failed(PostgresError(sqlstate: "", message: "server closed the connection")),
        ] {
            var stream = try streaming()
            try stream.copyEnded()
            try stream.receive(.complete("COPY 0"))
            try stream.receive(last)
            #expect(stream.end?.reason == .serverStopped)
        }
    }

    @Test func `errors say what to do`() throws {
        func code(_ sqlstate: String, _ message: String = "", early: Bool = true) throws
            -> ErrorCode?
        {
            var stream = WALStreamProtocol(start: LSN(0x100_0000), slot: "keep")
            if !early {
                try stream.receive(.copyBoth)
                try stream.copyEnded()
            }
            do {
                try stream.receive(.failed(PostgresError(sqlstate: sqlstate, message: message)))
                return nil
            } catch {
                #expect(!error.hint.isEmpty)
                return error.code
            }
        }
        for early in [true, false] {
            #expect(try code("58P01", early: early) == .walRemoved)
            #expect(try code("55006", early: early) == .slotBusy)
            #expect(
                try code("55000", "access replication slot \"keep\"", early: early) == .slotLost
            )
            #expect(try code("55000", "stopping", early: early) == .sourceUnreachable)
            #expect(try code("42704", early: early) == .notFound)
            #expect(try code("XX000", "ahead", early: early) == .sourceStatement)
            #expect(try code("57P01", early: early) == .sourceBroken)
            #expect(try code("", "EOF", early: early) == .sourceBroken)
        }
    }

    @Test func `answers out of turn are refused`() throws {
        for answer in [ServerAnswer.copyOut, .copyIn, .finished, .complete("X")] {
            var stream = WALStreamProtocol(start: LSN(1), slot: nil)
            #expect(throws: PgkeepError.self) { try stream.receive(answer) }
        }
        var stream = try streaming()
        try stream.copyEnded()
        #expect(throws: PgkeepError.self) { try stream.copyEnded() }
        #expect(throws: PgkeepError.self) { try stream.receive(.rows([["x", "y"]])) }
    }

    @Test func `a status message is 34 bytes`() {
        let bytes = WALStreamProtocol.status(
            written: LSN(0x0102),
            flushed: LSN(0x01),
            now: Timestamp(postgresMicroseconds: 5),
            wantsReply: true
        )
        #expect(
            bytes == [UInt8(ascii: "r")] + big(0x0102) + big(1) + big(0) + big(5) + [1]
        )
        #expect(bytes.count == 34)
    }
}
