package import Domain

/// The conversation of BASE_BACKUP as a value: answers and copy messages in, what they mean out.
///
/// Both framings: up to 14 one COPY per archive and one for the manifest, from 15 on a single COPY
/// whose messages begin with a type byte. Source: PostgreSQL's basebackup.c and
/// basebackup_copy.c, 13 to 18.
package struct BaseBackupProtocol {
    /// What an input means for the receiver of the backup.
    ///
    /// Slices borrow the input's memory.
    package enum Event {
        /// The server has begun.
        case begin(BaseBackupStart)
        /// The next archive begins; nil is the main data directory.
        case archive(BaseBackupStart.Tablespace?)
        /// Bytes of the current archive, a tar stream.
        case data(UnsafeRawBufferPointer)
        /// The manifest begins.
        case manifestBegins
        /// Bytes of the manifest.
        case manifest(UnsafeRawBufferPointer)
        /// Bytes done so far in all archives, as the server counts.
        case progress(UInt64)
        /// Nothing to do.
        case none
    }

    /// What is to be read next.
    package enum Next: Hashable, Sendable {
        /// An answer.
        case answer
        /// A copy message, or the end of the copy.
        case copy
        /// Nothing: the backup is complete.
        case nothing
    }

    private enum Part: Equatable { case none, archive, manifest }

    private enum State {
        case start
        case tablespaces(LSN, TimelineID)
        case copyStart
        case copying(Part)
        case cut
        case stop
        case completion
        case end
        case done
    }

    private let isFramed: Bool
    private let isIncremental: Bool
    private var state = State.start
    private var begun: BaseBackupStart?
    private var archivesSeen = 0
    private var hasManifest = false
    private var stopped: (LSN, TimelineID)?
    private var checksumFailure = false

    /// A conversation with a server of `version`.
    package init(version: ServerVersion, isIncremental: Bool = false) {
        isFramed = version.hasFramedBackups
        self.isIncremental = isIncremental
    }

    /// What is to be read next.
    package var next: Next {
        switch state {
        case .copying: .copy
        case .done: .nothing
        default: .answer
        }
    }

    /// The end of the backup; nil until `next` is `.nothing`.
    ///
    /// Notices are the driver's to add.
    package var result: BaseBackupEnd? {
        guard case .done = state, let stopped else { return nil }
        return BaseBackupEnd(
            lsn: stopped.0,
            timeline: stopped.1,
            notices: [],
            hasChecksumFailures: checksumFailure
        )
    }

    // MARK: - Answers

    /// Takes an answer; throws what the server reported, or `.sourceBroken` for nonsense.
    ///
    /// `.sourceIncremental` when it refuses an incremental backup, which is before it has begun.
    package mutating func receive(_ answer: ServerAnswer) throws(PgkeepError) -> Event {
        if case .failed(let error) = answer { return try receive(error) }
        switch (state, answer) {
        case (.start, .rows(let rows)):
            let (lsn, timeline) = try Self.position(rows)
            state = .tablespaces(lsn, timeline)
        case (.tablespaces(let lsn, let timeline), .rows(let rows)):
            let start = try Self.start(lsn, timeline, rows)
            begun = start
            state = .copyStart
            return .begin(start)
        case (.copyStart, .copyOut):
            return beginCopy()
        case (.stop, .rows(let rows)):
            stopped = try Self.position(rows)
            state = .completion
        case (.completion, .complete):
            state = .end
        case (.end, .finished):
            state = .done
        default:
            throw Self.broken("\(answer.name) came out of turn")
        }
        return .none
    }

    /// XX001 after the stop position says that pages are damaged, not that data is missing: the
    /// server reports it as the very last thing, when all was sent.
    private mutating func receive(_ error: PostgresError) throws(PgkeepError) -> Event {
        guard case .completion = state, error.sqlstate == "XX001" else {
            if isIncremental, begun == nil, let refusal = IncrementalRefusal(error) {
                throw refusal.failure
            }
            throw error.failure("take the base backup")
        }
        checksumFailure = true
        state = .end
        return .none
    }

    // MARK: - Copy data

    private mutating func beginCopy() -> Event {
        guard !isFramed, let begun else {
            state = .copying(.none)
            return .none
        }
        let total = begun.tablespaces.count + 1
        guard archivesSeen < total else {
            hasManifest = true
            state = .copying(.manifest)
            return .manifestBegins
        }
        state = .copying(.archive)
        archivesSeen += 1
        return .archive(archivesSeen < total ? begun.tablespaces[archivesSeen - 1] : nil)
    }

    /// Takes one copy message.
    @inline(__always)
    package mutating func receive(
        copy message: UnsafeRawBufferPointer
    ) throws(PgkeepError) -> Event {
        guard case .copying(let part) = state else {
            throw Self.broken("copy data came out of turn")
        }
        guard isFramed else { return part == .manifest ? .manifest(message) : .data(message) }
        guard let type = message.first else { throw Self.broken("an empty message") }
        if type == UInt8(ascii: "d") {
            let bytes = UnsafeRawBufferPointer(rebasing: message[1...])
            switch part {
            case .archive: return .data(bytes)
            case .manifest: return .manifest(bytes)
            case .none: throw Self.broken("data before the first archive")
            }
        }
        return try receive(control: type, UnsafeRawBufferPointer(rebasing: message[1...]))
    }

    private mutating func receive(
        control type: UInt8,
        _ body: UnsafeRawBufferPointer
    ) throws(PgkeepError) -> Event {
        switch type {
        case UInt8(ascii: "n"):
            guard !hasManifest else { throw Self.broken("an archive after the manifest") }
            let tablespace = try tablespace(ofArchive: body)
            archivesSeen += 1
            state = .copying(.archive)
            return .archive(tablespace)
        case UInt8(ascii: "m"):
            guard !hasManifest else { throw Self.broken("a second manifest") }
            hasManifest = true
            state = .copying(.manifest)
            return .manifestBegins
        case UInt8(ascii: "p"):
            guard body.count == 8 else { throw Self.broken("a progress message of odd length") }
            return .progress(BigEndian.uint64(body, 0))
        default:
            throw Self.broken("a message of unknown type \(type)")
        }
    }

    /// The archive's name is `<oid>.tar` or `base.tar`; archives come in the order announced.
    private func tablespace(
        ofArchive body: UnsafeRawBufferPointer
    ) throws(PgkeepError) -> BaseBackupStart.Tablespace? {
        let name = String(decoding: body.prefix { $0 != 0 }, as: UTF8.self)
        guard let begun, archivesSeen <= begun.tablespaces.count, name.hasSuffix(".tar") else {
            throw Self.broken("an archive nobody announced: \(name)")
        }
        let stem = name.dropLast(4)
        guard archivesSeen < begun.tablespaces.count else {
            guard stem == "base" else { throw Self.broken("\(name) instead of base.tar") }
            return nil
        }
        let expected = begun.tablespaces[archivesSeen]
        guard UInt32(stem) == expected.oid else {
            throw Self.broken("\(name) instead of \(expected.oid).tar")
        }
        return expected
    }

    /// The copy is over.
    package mutating func copyEnded() throws(PgkeepError) {
        guard case .copying = state, let begun else { throw Self.broken("a copy ended twice") }
        guard hasManifest else {
            // Up to 14 the next COPY follows. From 15 on only an error can explain this.
            state = isFramed ? .cut : .copyStart
            return
        }
        guard archivesSeen == begun.tablespaces.count + 1 else {
            throw Self.broken("the manifest came before all archives")
        }
        state = .stop
    }

    // MARK: - Parsing

    private static func position(_ rows: [[String?]]) throws(PgkeepError) -> (LSN, TimelineID) {
        guard rows.count == 1, let row = rows.first, row.count >= 2, let text = row[0],
            let lsn = LSN(text), let timeline = row[1].flatMap({ TimelineID($0) })
        else { throw broken("a position that cannot be read") }
        return (lsn, timeline)
    }

    private static func start(
        _ lsn: LSN,
        _ timeline: TimelineID,
        _ rows: [[String?]]
    ) throws(PgkeepError) -> BaseBackupStart {
        var tablespaces: [BaseBackupStart.Tablespace] = []
        var total: UInt64? = 0
        for (index, row) in rows.enumerated() {
            guard row.count >= 3 else { throw broken("a tablespace without size") }
            let size = row[2].flatMap { UInt64($0) }
            total = total.flatMap { total in size.map { total + $0 } }
            if index == rows.count - 1 {
                guard row[0] == nil else { throw broken("no row for the main data directory") }
                break
            }
            guard let oid = row[0].flatMap({ UInt32($0) }), let location = row[1] else {
                throw broken("a tablespace without OID or location")
            }
            tablespaces.append(.init(oid: oid, location: location, kilobytes: size))
        }
        guard !rows.isEmpty else { throw broken("no list of tablespaces") }
        return BaseBackupStart(
            lsn: lsn,
            timeline: timeline,
            tablespaces: tablespaces,
            estimatedBytes: total.map { $0 * 1024 }
        )
    }

    private static func broken(_ what: String) -> PgkeepError {
        PgkeepError(
            .sourceBroken,
            "the server broke the base backup protocol: \(what)",
            hint: "check that the address leads to a PostgreSQL server, not to a pooler"
        )
    }
}
