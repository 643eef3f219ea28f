public import Domain
internal import Glibc
internal import Platform

/// What other threads tell a running WAL stream: how far the WAL is safe, and when to stop.
///
/// Every call wakes the stream at once, so that a commit waiting for us as a synchronous standby
/// waits no longer than the journal's write. All methods may be called from any thread.
public final class WALStreamControl: Sendable {
    /// What was told so far.
    struct State {
        var written = LSN.zero
        var flushed = LSN.zero
        var received = LSN.zero
        var target: LSN?
        var stopRequested = false
        var commitsWait = false
    }

    private let state = Condition(State())
    /// A pipe, because poll(2) waits for descriptors only.
    private let wakeReader: File
    private let wakeWriter: File

    /// A control for one stream.
    public init() throws(PgkeepError) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw .system("create", "a pipe") }
        for end in ends {
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
        wakeReader = File(adopting: ends[0], path: "wake-up pipe")
        wakeWriter = File(adopting: ends[1], path: "wake-up pipe")
    }

    /// Reports how far the WAL is kept: `written` is with the operating system, `flushed` is
    /// durable.
    ///
    /// Positions only move forward. A stream whose `flushed` stays zero reports what it received as
    /// written, and leaves the slot where it is.
    public func report(written: LSN, flushed: LSN) {
        state.change { state in
            state.written = max(state.written, written)
            state.flushed = max(state.flushed, flushed)
        }
        wake()
    }

    /// Ends the stream in order, as soon as it sees it.
    public func stop() {
        state.change { $0.stopRequested = true }
        wake()
    }

    /// Ends the stream when everything before `target` has been received.
    public func stop(at target: LSN) {
        state.change { $0.target = target }
        wake()
    }

    /// Tells whether commits of the server may wait for a report, as they do for a synchronous
    /// standby. The stream itself asks when it begins. True when that is news.
    @discardableResult
    public func noteCommits(wait: Bool) -> Bool {
        let isNews = state.change { state in
            defer { state.commitsWait = wait }
            return state.commitsWait != wait
        }
        if isNews { wake() }
        return isNews
    }

    /// The end of what the stream has received; zero before it began.
    public var received: LSN { state.read { $0.received } }

    /// The end of what is durable, as reported.
    public var flushed: LSN { state.read { $0.flushed } }

    func noteReceived(_ position: LSN) { state.change { $0.received = position } }

    var current: State { state.read { $0 } }

    /// Readable when something changed.
    var wakeDescriptor: Int32 { wakeReader.descriptor }

    func clearWake() {
        var sink = [UInt8](repeating: 0, count: 256)
        while read(wakeReader.descriptor, &sink, sink.count) == sink.count {}
    }

    /// Has the stream look again whether its handler has room.
    public func wake() {
        var byte: UInt8 = 1
        // A full pipe wakes as well as one more byte would.
        _ = write(wakeWriter.descriptor, &byte, 1)
    }
}
