import Domain
import Platform
import Postgres

/// Takes streamed WAL from the connection's thread and queues it for the journal's thread.
///
/// The connection must stay able to answer the server's pings, so everything slow (compressing,
/// sealing, fdatasync) happens behind a bounded queue, and when that is full the connection reads
/// nothing but goes on reporting. Each side touches only its own members; the queues between them
/// synchronize.
final class WALInbox: WALStreamHandler, @unchecked Sendable {
    /// What travels to the journal's thread.
    enum Message: ~Copyable, Sendable {
        /// WAL bytes that begin at a position.
        case bytes(Buffer, at: LSN)
        /// Make durable all that came before.
        case flush
    }

    /// What the server last said about itself.
    struct Heard: Sendable {
        /// The end of what it has.
        var end: LSN
        /// Its clock, when it sent one.
        var time: Timestamp?
    }

    private static let bufferBytes = 256 << 10
    private static let buffersMax = 32

    private let queue: Channel<Message>
    private let free: Channel<Buffer>
    private let tell: (Heard) -> Void
    private let control: WALStreamControl
    /// Nothing was passed on since the journal was last asked to flush.
    private var isFlushAsked = false
    private var heard: Heard
    private var buffer: Buffer?
    private var begin: LSN

    /// An inbox whose first byte will come at `start`.
    ///
    /// - Parameters:
    ///   - control: is woken when there is room again.
    ///   - heard: called on the connection's thread whenever the server said where it is.
    init(
        start: LSN,
        control: WALStreamControl,
        heard tell: @escaping (Heard) -> Void
    ) throws {
        self.control = control
        // Behind each buffer one wish to flush at most, so that sending never waits.
        queue = Channel(capacity: Self.buffersMax * 2 + 2)
        free = Channel(capacity: Self.buffersMax + 2)
        for _ in 0..<Self.buffersMax { try free.send(Buffer(capacity: Self.bufferBytes)) }
        heard = Heard(end: start)
        self.tell = tell
        begin = start
    }

    // MARK: - The connection's side

    func received(_ bytes: UnsafeRawBufferPointer, at position: LSN) throws {
        var rest = bytes
        var next = position
        while !rest.isEmpty {
            var current = try take(at: next)
            let taken = current.append(rest)
            rest = UnsafeRawBufferPointer(rebasing: rest[taken...])
            next = next + UInt64(taken)
            let isFull = current.room == 0
            buffer = consume current
            if isFull { try pass() }
        }
        heard.end = max(heard.end, next)
    }

    /// A message of the server fits into what is left of one buffer and the next.
    var hasRoom: Bool { free.count > 0 }

    func idle() throws {
        tell(heard)
        try pass()
        // While the journal has not even begun with the last wish another one changes nothing.
        guard !isFlushAsked || queue.count == 0 else { return }
        isFlushAsked = true
        try queue.send(.flush)
    }

    func flushNow() throws { try idle() }

    func keepalive(serverTime: Timestamp, walEnd: LSN) {
        heard = Heard(end: max(heard.end, walEnd), time: serverTime)
        tell(heard)
    }

    /// Passes on what is held and says that nothing more comes.
    func finish() throws {
        try pass()
        queue.finish()
    }

    /// Ends the other side with `error`.
    func abort(_ error: any Error) {
        queue.abort(error)
        free.abort(error)
    }

    private func take(at position: LSN) throws -> Buffer {
        if let current = buffer.take() { return current }
        guard var fresh = try free.receive() else {
            preconditionFailure("the pool is never ended")
        }
        fresh.count = 0
        begin = position
        return fresh
    }

    private func pass() throws {
        guard let current = buffer.take() else { return }
        isFlushAsked = false
        try queue.send(.bytes(current, at: begin))
    }

    // MARK: - The journal's side

    /// The next message; nil after `finish`.
    func next() throws -> Message? { try queue.receive() }

    /// Gives a buffer back.
    func recycle(_ buffer: consuming Buffer) throws {
        try free.send(buffer)
        if free.count == 1 { control.wake() }
    }
}
