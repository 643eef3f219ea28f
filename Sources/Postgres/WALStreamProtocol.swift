package import Domain

/// The conversation of START_REPLICATION as a value: answers and copy messages in, what they mean
/// out.
///
/// Guarantees that WAL comes without holes: a message that does not begin where the last one ended
/// is an error. Source: PostgreSQL's walsender.c, 13 to 18.
package struct WALStreamProtocol {
    /// What a copy message means.
    ///
    /// Slices borrow the message's memory.
    package enum Message {
        /// WAL from `at` on.
        ///
        /// It may begin anywhere and cross a segment boundary.
        case wal(UnsafeRawBufferPointer, at: LSN)
        /// The server lives, and has sent everything before `walEnd`.
        case keepalive(serverTime: Timestamp, walEnd: LSN, wantsReply: Bool)
    }

    /// What is to be done next.
    package enum Next: Hashable, Sendable {
        /// Read an answer.
        case answer
        /// Read copy messages.
        case copy
        /// Say that no more copy data comes from us, then read an answer.
        case endCopy
        /// Nothing: the stream has ended.
        case nothing
    }

    private enum State: Equatable {
        case starting, streaming, closing, confirming, ended
        case finishing(WALStreamEnd.Reason)
    }

    /// What is to be done next.
    package private(set) var next = Next.answer
    /// The end of what was received.
    package private(set) var received: LSN
    /// The newest end of WAL the server has told.
    package private(set) var serverEnd: LSN
    /// How the stream ended; nil while it goes on.
    package private(set) var end: WALStreamEnd?

    private let slot: String?
    private var state = State.starting
    private var isStopping = false

    /// A stream from `start`; `slot` only serves to tell errors apart.
    package init(start: LSN, slot: String?) {
        received = start
        serverEnd = start
        self.slot = slot
    }

    // MARK: - Copy data

    /// Takes one copy message.
    ///
    /// After `stop` WAL is passed over.
    @inline(__always)
    package mutating func receive(
        copy message: UnsafeRawBufferPointer
    ) throws(PgkeepError) -> Message? {
        switch message.first {
        case UInt8(ascii: "w"):
            guard message.count >= 25 else { throw Self.broken("a WAL message cut short") }
            let start = LSN(BigEndian.uint64(message, 1))
            let bytes = UnsafeRawBufferPointer(rebasing: message[25...])
            guard !isStopping else { return nil }
            guard start == received else {
                throw Self.broken("WAL at \(start) instead of \(received)")
            }
            received = start + UInt64(bytes.count)
            serverEnd = max(LSN(BigEndian.uint64(message, 9)), received)
            return bytes.isEmpty ? nil : .wal(bytes, at: start)
        case UInt8(ascii: "k"):
            guard message.count == 18 else { throw Self.broken("a keepalive of odd length") }
            serverEnd = max(serverEnd, LSN(BigEndian.uint64(message, 1)))
            let time = Int64(bitPattern: BigEndian.uint64(message, 9))
            return .keepalive(
                serverTime: Timestamp(postgresMicroseconds: time),
                walEnd: serverEnd,
                wantsReply: message[17] != 0
            )
        default:
            throw Self.broken("a message of unknown type")
        }
    }

    /// The server sends no more copy data; the next answer says why.
    package mutating func copyEnded() throws(PgkeepError) {
        guard state == .streaming || state == .closing else {
            throw Self.broken("a copy ended twice")
        }
        state = .confirming
        next = .answer
    }

    /// We want to stop: the caller sends CopyDone and goes on reading.
    package mutating func stop() {
        guard state == .streaming else { return }
        isStopping = true
        state = .closing
    }

    // MARK: - Answers

    /// Takes an answer; throws what the server reported, or `.sourceBroken` for nonsense.
    package mutating func receive(_ answer: ServerAnswer) throws(PgkeepError) {
        switch (state, answer) {
        case (.finishing(.serverStopped), .failed), (.finishing, .finished):
            // A server that is going away may close the socket before the last message.
            finish()
        case (_, .failed(let error)):
            throw failure(error)
        case (.starting, .copyBoth):
            state = .streaming
            next = .copy
        case (.starting, .rows(let rows)), (.confirming, .rows(let rows)):
            // Asked to begin exactly where a past timeline ends, the server does not copy at all.
            let reason = try Self.timelineEnd(rows)
            state = .finishing(isStopping ? .stopped : reason)
        case (.confirming, .copyIn):
            next = .endCopy
        case (.confirming, .complete):
            state = .finishing(isStopping ? .stopped : .serverStopped)
        case (.finishing, .complete):
            // Two completions on purpose: of the copy, and of the command (one in 13.0).
            break
        default:
            throw Self.broken("\(answer.name) came out of turn")
        }
    }

    /// CopyDone was sent as `next` asked.
    package mutating func copyEndSent() { next = .answer }

    private mutating func finish() {
        guard case .finishing(let reason) = state else { return }
        end = WALStreamEnd(reason: reason, received: received)
        state = .ended
        next = .nothing
    }

    private static func timelineEnd(
        _ rows: [[String?]]
    ) throws(PgkeepError) -> WALStreamEnd.Reason {
        guard rows.count == 1, let row = rows.first, row.count >= 2,
            let timeline = row[0].flatMap({ TimelineID($0) }),
            let fork = row[1].flatMap({ LSN($0) })
        else { throw broken("a timeline end that cannot be read") }
        return .timelineEnded(next: timeline, fork: fork)
    }

    // MARK: - Errors

    private func failure(_ error: PostgresError) -> PgkeepError {
        let what = "stream WAL from \(received)"
        switch error.sqlstate {
        case "55000":
            // 18 refuses an invalidated slot and names it; anything else is a server going down.
            guard let slot, error.message.contains(slot) else {
                return PgkeepError(
                    .sourceUnreachable,
                    "could not \(what)",
                    hint: "the server is shutting down: run it again when it is back",
                    cause: error
                )
            }
            return PgkeepError(
                .slotLost,
                "could not \(what)",
                hint: "drop the slot \(slot), then take a new backup: WAL in between is lost",
                cause: error
            )
        case "42704":
            return PgkeepError(
                .notFound,
                "could not \(what)",
                hint: "create the slot \(slot ?? "")",
                cause: error
            )
        case "XX000":
            return PgkeepError(
                .sourceStatement,
                "could not \(what)",
                hint:
                    "the server's history does not hold this position: it was restored or rewound",
                cause: error
            )
        default:
            return error.failure(what)
        }
    }

    private static func broken(_ what: String) -> PgkeepError {
        PgkeepError(
            .sourceBroken,
            "the server broke the replication protocol: \(what)",
            hint: "run it again; the stream goes on from what is durable"
        )
    }
}

extension WALStreamProtocol {
    /// A standby status update: 34 bytes.
    ///
    /// Positions are the next byte wanted; apply stays zero, since we apply nothing.
    package static func status(
        written: LSN,
        flushed: LSN,
        now: Timestamp,
        wantsReply: Bool
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(34)
        bytes.append(UInt8(ascii: "r"))
        BigEndian.append(written.rawValue, to: &bytes)
        BigEndian.append(flushed.rawValue, to: &bytes)
        BigEndian.append(0, to: &bytes)
        BigEndian.append(UInt64(bitPattern: now.postgresMicroseconds), to: &bytes)
        bytes.append(wantsReply ? 1 : 0)
        return bytes
    }
}
