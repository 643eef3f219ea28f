public import Domain

/// Who takes streamed WAL in.
///
/// All calls come on the thread that runs the stream, in order; a thrown error ends the stream.
public protocol WALStreamHandler: AnyObject {
    /// WAL bytes from `position` on: without holes, cut anywhere, across segment boundaries too.
    ///
    /// The bytes are libpq's and die with the call. Must not block longer than a fraction of the
    /// server's wal_sender_timeout: no status goes out meanwhile. See `hasRoom`.
    func received(_ bytes: UnsafeRawBufferPointer, at position: LSN) throws
    /// False when the next bytes would have to wait, for a slow disk for instance.
    ///
    /// Nothing is read from the server meanwhile, and statuses go on; the control's `wake` tells
    /// that there is room again.
    var hasRoom: Bool { get }
    /// Everything the server has was received, or nothing more came for a moment: a good time to
    /// flush.
    ///
    /// Called once until more arrives.
    func idle() throws
    /// Make everything received durable now, or have another thread do it, and report it through
    /// the control.
    ///
    /// The server is waiting, as it does when it shuts down.
    func flushNow() throws
    /// The server lives, and has sent everything before `walEnd`.
    func keepalive(serverTime: Timestamp, walEnd: LSN) throws
}

extension WALStreamHandler {
    /// Always, by default.
    public var hasRoom: Bool { true }
}
