public import Domain

extension WALStream {
    /// Where and how to stream.
    public struct Options: Sendable {
        /// The physical slot that keeps WAL for us, if any.
        public var slot: String?
        /// The first byte wanted; a segment's start, so that archived files are whole.
        public var start: LSN
        /// The timeline to stream.
        public var timeline: TimelineID
        /// Seconds between status messages when nothing else makes us send one; lowered to a sixth
        /// of the server's wal_sender_timeout.
        public var statusInterval = 10.0
        /// Seconds of silence after which the server counts as dead; lowered to the server's
        /// wal_sender_timeout, but not below 10.
        ///
        /// It is asked for a sign of life at half of that.
        public var silenceLimit = 60.0
        /// Seconds the handler may have no room before the server is let go: it must not wait for
        /// a disk of ours when it shuts down.
        public var roomLimit = 30.0
        /// Seconds to wait for the handler's flush before the server's question is answered.
        public var flushWait = 1.0
        /// Seconds from one flush to the next while no commit of the server waits for ours.
        ///
        /// Each flush is a write and a sync here, and wakes a process of the server: a thousand of
        /// them a second would cost a busy server more than all the rest of streaming.
        public var flushPause = 0.02

        /// Streams `timeline` from `start`.
        public init(slot: String?, start: LSN, timeline: TimelineID) {
            self.slot = slot
            self.start = start
            self.timeline = timeline
        }
    }
}
