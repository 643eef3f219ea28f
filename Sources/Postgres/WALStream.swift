internal import Domain
internal import Glibc
public import Platform

/// Runs START_REPLICATION on a replication connection: receives WAL and reports positions.
public final class WALStream {
    /// Seconds a server may take to end the stream once we asked.
    private static let stopWait = 20.0
    /// A busy server may be silent for so long.
    private static let silenceMin = 10.0
    /// Seconds without new bytes after which the handler may flush although more is announced.
    private static let pause = 0.2
    /// Seconds for which what a busy server sends may gather in the socket, to be read at once.
    private static let gathering = 0.002

    private let connection: Connection
    private let options: Options
    private let silenceLimit: Double
    private let control: WALStreamControl
    private let handler: any WALStreamHandler
    private let clock: any Clock
    private let statusInterval: Double

    private var conversation: WALStreamProtocol
    private var reported = (written: LSN.zero, flushed: LSN.zero)
    private var reportedAt = 0.0
    private var isIdle = false
    private var flushAskedAt = -Double.infinity
    private var fullSince: Double?
    /// What was durable when the server got an answer that claims nothing.
    private var lateAt: LSN?
    private var drains = 0
    private var silence = 0.0
    private var hasAsked = false
    private var stopDeadline: Double?

    /// Streams until the control stops it, the token is cancelled (both end in order, with
    /// `.stopped`), the timeline ends or the server shuts down.
    ///
    /// Throws `.walRemoved`, `.slotLost`, `.slotBusy`, `.notFound` (no such slot), `.sourceBroken`
    /// (connection lost, server dead or talking nonsense), or what the handler throws. After an
    /// error the connection is of no more use; after an orderly end it takes further commands,
    /// unless the server stopped.
    public static func run(
        on connection: Connection,
        _ options: Options,
        control: WALStreamControl,
        handler: any WALStreamHandler,
        cancellation token: CancellationToken,
        clock: any Clock = SystemClock()
    ) throws -> WALStreamEnd {
        let stream = try WALStream(connection, options, control, handler, clock)
        return try token.whileCancellable({ control.stop() }) { try stream.run() }
    }

    private init(
        _ connection: Connection,
        _ options: Options,
        _ control: WALStreamControl,
        _ handler: any WALStreamHandler,
        _ clock: any Clock
    ) throws(PgkeepError) {
        self.connection = connection
        self.options = options
        self.control = control
        self.handler = handler
        self.clock = clock
        let timeout = try connection.query("SHOW wal_sender_timeout").first
            .flatMap { SettingValue.seconds($0) }
        let limit = timeout.map { $0 > 0 ? $0 / 6 : .infinity } ?? .infinity
        statusInterval = min(options.statusInterval, limit)
        silenceLimit = min(options.silenceLimit, max(limit * 6, Self.silenceMin))
        conversation = WALStreamProtocol(start: options.start, slot: options.slot)
        let names = try connection.setting("synchronous_standby_names")
        control.noteCommits(wait: names != nil && names != "")
    }

    private func run() throws -> WALStreamEnd {
        let slot = options.slot.map { "SLOT \(SQL.identifier($0)) " } ?? ""
        control.noteReceived(options.start)
        try connection.send(
            "START_REPLICATION \(slot)PHYSICAL \(options.start) TIMELINE \(options.timeline)"
        )
        reportedAt = clock.monotonicSeconds
        while true {
            switch conversation.next {
            case .answer:
                try conversation.receive(connection.nextAnswer(within: silenceLimit))
            case .endCopy:
                try connection.endCopy()
                conversation.copyEndSent()
            case .copy: try turn()
            case .nothing:
                guard let end = conversation.end else {
                    preconditionFailure("an ended stream has an end")
                }
                return end
            }
        }
    }

    // MARK: - Receiving

    private func turn() throws {
        guard handler.hasRoom || stopDeadline != nil else { return try waitForRoom() }
        fullSince = nil
        let read = try connection.readCopy(wait: false) { message in
            if let content = try conversation.receive(copy: message) { try take(content) }
        }
        switch read {
        case .message:
            (drains, silence, hasAsked) = (0, 0, false)
            try reportWhenDue()
            try stopWhenAsked()
        case .ended: try conversation.copyEnded()
        case .nothingYet:
            // Before sleeping, take what has arrived already. TLS hands out at most one record a
            // time and keeps the rest where poll(2) cannot see it, so there it takes several tries.
            if drains < (connection.isEncrypted ? 3 : 1) {
                drains += 1
                try connection.consumeInput()
            } else {
                drains = 0
                try rest()
            }
        }
    }

    /// The handler takes no more for now: the server waits, and hears that we live.
    private func waitForRoom() throws {
        let now = clock.monotonicSeconds
        let since = fullSince ?? now
        fullSince = since
        guard now - since < options.roomLimit else {
            throw PgkeepError(
                .sourceBroken,
                "the vault has taken no WAL for \(Int(now - since)) seconds",
                hint: "check the vault's disk; the stream goes on from what is durable"
            )
        }
        try reportWhenDue()
        try stopWhenAsked()
        guard conversation.next == .copy, stopDeadline == nil else { return }
        let patience = min(1, max(0, reportedAt + statusInterval - now))
        _ = try wait(seconds: patience, forServer: false)
    }

    private func take(_ message: WALStreamProtocol.Message) throws {
        switch message {
        case .wal(let bytes, let position):
            isIdle = false
            try handler.received(bytes, at: position)
            control.noteReceived(conversation.received)
        case .keepalive(let time, let walEnd, let wantsReply):
            try handler.keepalive(serverTime: time, walEnd: walEnd)
            guard wantsReply, stopDeadline == nil else { return }
            // A server that shuts down asks until everything sent is confirmed (protocol.md 4.4).
            // One that is not told in time gets an answer that lets it go: with nothing flushed it
            // waits only for what was written, keeps its slot where it is, and counts us out as a
            // synchronous standby until the next report.
            try flush(within: options.flushWait)
            let flushed = control.flushed
            lateAt = flushed < conversation.received ? flushed : nil
            try report(isFlushLate: lateAt != nil)
        }
    }

    /// Nothing has arrived: let the handler flush, report, and wait for whatever comes first.
    private func rest() throws {
        let isCaughtUp = conversation.received >= conversation.serverEnd
        let pause = secondsToFlush
        if isCaughtUp && pause <= 0 { try idle() }
        try reportWhenDue()
        try stopWhenAsked()
        guard conversation.next == .copy else { return }
        if isCaughtUp && !isIdle && stopDeadline == nil {
            // Nobody waits for this WAL yet, so more of it may gather before anybody is woken.
            _ = try wait(seconds: min(pause, Self.gathering), forServer: false)
            return
        }
        let now = clock.monotonicSeconds
        if let stopDeadline, now > stopDeadline {
            throw PgkeepError(.sourceBroken, "the server did not end the stream when asked")
        }
        var patience = max(0, reportedAt + statusInterval - now)
        if !isCaughtUp && !isIdle { patience = min(patience, Self.pause) }
        if connection.isEncrypted || stopDeadline != nil { patience = min(patience, 1) }
        patience = min(patience, silenceLimit / 2)
        if try wait(seconds: patience, forServer: true) { return }
        if !isCaughtUp { try idle() }
        try listen(silentFor: clock.monotonicSeconds - now)
    }

    private func idle() throws {
        guard !isIdle, stopDeadline == nil else { return }
        isIdle = true
        flushAskedAt = clock.monotonicSeconds
        try handler.idle()
    }

    /// Until the handler is to be asked to flush again.
    private var secondsToFlush: Double {
        if control.current.commitsWait { return 0 }
        return flushAskedAt + options.flushPause - clock.monotonicSeconds
    }

    /// Counts only time spent waiting: how long the handler takes says nothing about the server.
    private func listen(silentFor seconds: Double) throws(PgkeepError) {
        silence += seconds
        if silence > silenceLimit {
            throw PgkeepError(
                .sourceBroken,
                "the server was silent for \(Int(silence)) seconds",
                hint: "check the network; the stream goes on from what is durable"
            )
        }
        if silence > silenceLimit / 2, !hasAsked {
            hasAsked = true
            try report(wantsReply: true)
        }
    }

    /// Waits for the server (when asked for) or the control; true when the server has something.
    private func wait(seconds: Double, forServer: Bool) throws(PgkeepError) -> Bool {
        var entries = [
            pollfd(fd: control.wakeDescriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: connection.socket, events: Int16(POLLIN), revents: 0),
        ]
        let milliseconds = Int32((seconds * 1000).rounded(.up))
        let count = poll(&entries, forServer ? 2 : 1, milliseconds)
        guard count >= 0 || errno == EINTR else { throw .system("wait for", "the server") }
        if entries[0].revents != 0 { control.clearWake() }
        return forServer && entries[1].revents != 0
    }

    // MARK: - Reporting

    /// What the server is to believe.
    ///
    /// A handler that reports nothing durable keeps the slot where it is, and must not hold up a
    /// shutdown: then all that was received counts as written.
    private var positions: (written: LSN, flushed: LSN) {
        let state = control.current
        guard state.flushed > .zero else { return (conversation.received, .zero) }
        return (max(state.written, state.flushed), state.flushed)
    }

    private func reportWhenDue() throws(PgkeepError) {
        guard stopDeadline == nil else { return }
        let positions = positions
        let isNews =
            lateAt != control.flushed
            && (positions.flushed != reported.flushed
                || positions.flushed > .zero && positions.written != reported.written)
        let isDue = clock.monotonicSeconds - reportedAt >= statusInterval
        guard isNews || isDue else { return }
        // An idle server says nothing by itself as long as it is reported to. Its answer is the
        // proof that up to its time there was nothing more.
        try report(wantsReply: isDue && isIdle)
    }

    private func report(
        wantsReply: Bool = false,
        isFlushLate: Bool = false
    ) throws(PgkeepError) {
        let positions = isFlushLate ? (conversation.received, .zero) : self.positions
        try connection.putCopy(
            WALStreamProtocol.status(
                written: positions.written,
                flushed: positions.flushed,
                now: clock.now,
                wantsReply: wantsReply
            )
        )
        reported = positions
        reportedAt = clock.monotonicSeconds
    }

    /// Has the handler flush and waits a while until it reports so, if it ever does.
    private func flush(within seconds: Double) throws {
        isIdle = true
        try handler.flushNow()
        let deadline = clock.monotonicSeconds + seconds
        while true {
            let flushed = control.flushed
            let now = clock.monotonicSeconds
            guard flushed > .zero, flushed < conversation.received, now < deadline else { return }
            _ = try wait(seconds: deadline - now, forServer: false)
        }
    }

    // MARK: - Stopping

    private func stopWhenAsked() throws {
        guard stopDeadline == nil, conversation.next == .copy else { return }
        let state = control.current
        let isReached = state.target.map { conversation.received >= $0 } ?? false
        guard state.stopRequested || isReached else { return }
        try flush(within: Self.stopWait)
        try report()
        try connection.endCopy()
        conversation.stop()
        stopDeadline = clock.monotonicSeconds + Self.stopWait
    }
}
