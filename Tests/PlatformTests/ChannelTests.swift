import Domain
import Platform
import TestSupport
import Testing

/// Order, back-pressure and both ways to end a channel.
struct ChannelTests {
    private struct Broken: Error, Equatable { var number = 1 }

    @Test func `what is sent comes out in order, then the end`() throws {
        let channel = Channel<Int>(capacity: 3)
        let sender = Thread("sender") {
            for number in 0..<1000 { try channel.send(number) }
            channel.finish()
        }
        var received: [Int] = []
        while let number = try channel.receive() { received.append(number) }
        try sender.join()
        #expect(received == Array(0..<1000))
        #expect(try channel.receive() == nil, "the end stays")
    }

    @Test func `a full channel makes the sender wait`() throws {
        let channel = Channel<Int>(capacity: 2)
        let sent = Condition(0)
        let sender = Thread("sender") {
            for number in 0..<5 {
                try channel.send(number)
                sent.change { $0 += 1 }
            }
        }
        _ = sent.wait { $0 >= 2 ? true : nil }
        // It cannot get further however long it is given; a moment shows that it does not.
        #expect(sent.wait(seconds: 0.05) { $0 > 2 ? true : nil } == nil)
        #expect(try channel.receive() == 0)
        _ = sent.wait { $0 == 3 ? true : nil }
        for number in 1..<5 { #expect(try channel.receive() == number) }
        try sender.join()
    }

    @Test func `several senders and receivers lose nothing`() throws {
        let channel = Channel<Int>(capacity: 4)
        let senders = (0..<4).map { lane in
            Thread("sender \(lane)") {
                for number in 0..<500 { try channel.send(lane * 500 + number) }
            }
        }
        let receivers = (0..<3).map { lane in
            Thread("receiver \(lane)") {
                var seen: [Int] = []
                while let number = try channel.receive() { seen.append(number) }
                return seen
            }
        }
        for sender in senders { try sender.join() }
        channel.finish()
        let all = try receivers.flatMap { try $0.join() }
        #expect(all.sorted() == Array(0..<2000))
    }

    @Test func `aborting wakes both sides with the first error`() throws {
        let full = Channel<Int>(capacity: 1)
        try full.send(1)
        let sender = Thread("sender") { try full.send(2) }
        full.abort(Broken())
        full.abort(Broken(number: 2))
        #expect(throws: Broken(number: 1)) { try sender.join() }
        #expect(throws: Broken(number: 1)) { try full.receive() }
        #expect(throws: Broken(number: 1)) { try full.send(3) }

        let empty = Channel<Int>(capacity: 1)
        let receiver = Thread("receiver") { try empty.receive() }
        empty.abort(Broken())
        #expect(throws: Broken(number: 1)) { try receiver.join() }
    }

    @Test func `buffers travel without being copied`() throws {
        let channel = Channel<Buffer>(capacity: 2)
        var buffer = Buffer(capacity: 8192)
        #expect(Int(bitPattern: buffer.memory.baseAddress) % 4096 == 0)
        let bytes = [UInt8](repeating: 9, count: 10_000)
        #expect(bytes.withUnsafeBytes { buffer.append($0) } == 8192)
        #expect(buffer.room == 0 && bytes.withUnsafeBytes { buffer.append($0) } == 0)
        buffer.count = 5
        let address = buffer.memory.baseAddress
        try channel.send(buffer)
        guard let same = try channel.receive() else {
            Issue.record("nothing came out")
            return
        }
        #expect(same.memory.baseAddress == address && same.bytes.count == 5 && same.bytes[4] == 9)
    }
}
