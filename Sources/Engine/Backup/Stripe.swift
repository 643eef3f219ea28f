import Platform

/// A buffer of pages on its way from the receiver to a worker: pieces of one or several files.
///
/// Every piece begins at a multiple of the page size; a file's short last page is filled with
/// zeros.
struct Stripe: ~Copyable, Sendable {
    /// A run of pages of one file.
    struct Piece: Sendable {
        /// The file.
        let file: IncomingFile
        /// The number of the first page in the file.
        let firstPage: UInt64
        /// Where the first page begins in the buffer.
        let offset: Int
        /// Bytes of the file in this piece, without the filling.
        var bytes: Int
    }

    /// Bytes a stripe holds: enough that handing over costs nothing, few enough that several fit
    /// into the caches beside the frames they become.
    static let capacity = 1 << 20

    /// The pages.
    var buffer: Buffer
    /// What they are.
    var pieces: [Piece] = []

    /// A stripe around an empty buffer.
    init(_ buffer: consuming Buffer) { self.buffer = buffer }
}

/// A fixed number of buffers that circulate: whoever wants one waits until it comes back. This, and
/// nothing else, bounds what the pipeline holds.
final class StripePool: Sendable {
    private let free: Channel<Buffer>

    init(count: Int) throws {
        free = Channel(capacity: count)
        for _ in 0..<count { try free.send(Buffer(capacity: Stripe.capacity)) }
    }

    /// An empty buffer.
    func take() throws -> Buffer {
        guard var buffer = try free.receive() else {
            preconditionFailure("the pool is never ended")
        }
        buffer.count = 0
        return buffer
    }

    /// Gives a buffer back.
    func put(_ buffer: consuming Buffer) throws { try free.send(buffer) }

    /// Ends everybody's waiting with `error`.
    func abort(_ error: any Error) { free.abort(error) }
}
