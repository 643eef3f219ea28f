internal import CPostgres
public import Domain
internal import Glibc
public import Platform

/// One session with a PostgreSQL server, over libpq.
///
/// Used by one thread at a time; only `cancel()` may be called from any other. All calls block.
/// Notices are collected, never printed. The session ends when the object goes or at `close()`.
public final class Connection: @unchecked Sendable {
    /// What the session is for.
    public enum Kind: Sendable {
        /// Ordinary SQL in the database the settings name.
        case sql
        /// Replication commands only; needs the REPLICATION right and its own pg_hba.conf line.
        case physicalReplication
    }

    /// The settings it was opened with.
    public let settings: ConnectionSettings
    /// What it is for.
    public let kind: Kind
    /// The server's version.
    public let serverVersion: ServerVersion
    /// Seconds a statement run by `query` may take; past them the server counts as gone.
    public var answerSeconds: Double

    private let handle: OpaquePointer
    private let collector = NoticeCollector()
    private let cancellation: CancelHandle

    /// Connects.
    ///
    /// `applicationName` is what pg_stat_replication and synchronous_standby_names see. Waiting for
    /// the server ends when `token` is cancelled. Throws `.sourceUnreachable`,
    /// `.sourceAuthentication`, `.sourcePrivilege` or `.sourceSetting`, with what to do.
    public init(
        _ settings: ConnectionSettings,
        kind: Kind,
        applicationName: String,
        cancellation token: CancellationToken? = nil
    ) throws(PgkeepError) {
        self.settings = settings
        self.kind = kind
        answerSeconds = kind == .sql ? 300 : 60
        let opened = try ConnectionOpener(settings, kind, applicationName, token).open()
        handle = opened
        cancellation = CancelHandle(opened)
        serverVersion = ServerVersion(number: Int(PQserverVersion(opened)))
        PQsetErrorVerbosity(opened, PQERRORS_DEFAULT)
        PQsetNoticeReceiver(
            opened,
            { argument, result in
                guard let argument, let result else { return }
                Unmanaged<NoticeCollector>.fromOpaque(argument).takeUnretainedValue()
                    .add(Notice(result))
            },
            Unmanaged.passUnretained(collector).toOpaque()
        )
        if kind == .sql {
            _ = try query(
                """
                SELECT pg_catalog.set_config('search_path', '', false),
                       pg_catalog.set_config('standard_conforming_strings', 'on', false)
                """
            )
        }
    }

    deinit {
        cancellation.retire()
        PQfinish(handle)
    }

    /// Ends the session now.
    ///
    /// Later commands fail with `.sourceBroken`.
    public func close() {
        // The handle itself goes with the object; a reset to "bad" is all libpq offers before that.
        cancellation.retire()
        shutdown(PQsocket(handle), Int32(SHUT_RDWR))
    }

    /// Asks the server to stop the running command, which then fails with 57014; when the server
    /// does not listen, breaks the session off.
    ///
    /// Any thread.
    public func cancel() { cancellation.fire() }

    /// Breaks the session off at once, without a word to the server. Any thread.
    public func breakOff() { cancellation.breakOff() }

    /// Settings that lead to the very server this session has reached: of several hosts another one
    /// might answer the next time.
    public var reachedSettings: ConnectionSettings {
        get throws(PgkeepError) {
            func text(_ value: UnsafeMutablePointer<CChar>?) -> String {
                value.map { String(cString: $0) } ?? ""
            }
            return try settings.leading(
                toHost: text(PQhost(handle)),
                address: text(PQhostaddr(handle)),
                port: text(PQport(handle))
            )
        }
    }

    /// A value the server reports by itself, for example `in_hot_standby`.
    public func parameter(_ name: String) -> String? {
        PQparameterStatus(handle, name).map { String(cString: $0) }
    }

    /// True when the session is encrypted.
    public var isEncrypted: Bool { PQsslInUse(handle) != 0 }

    /// The notices since the last call.
    public func takeNotices() -> [Notice] { collector.take() }

    /// Runs one statement and returns its rows.
    ///
    /// The thrown error's `postgres` says what the server said.
    @discardableResult
    public func query(_ sql: String) throws(PgkeepError) -> QueryResult {
        let result = try run(sql)
        return QueryResult(columns: result.columns, rows: result.rows)
    }

    /// Runs one statement; the raw bytes of the values of its first row.
    package func firstRowBytes(_ sql: String) throws(PgkeepError) -> [[UInt8]?] {
        try run(sql).firstRowBytes
    }

    private func run(_ sql: String) throws(PgkeepError) -> ResultHandle {
        try send(sql)
        let deadline = SystemClock().monotonicSeconds + answerSeconds
        // What a failed result is followed by does not matter; the first one tells.
        guard let raw = try result(before: deadline) else { throw broken("send a command") }
        let result = ResultHandle(raw)
        switch result.answer {
        case .copyIn, .copyOut, .copyBoth: return result
        default: while let more = try self.result(before: deadline) { PQclear(more) }
        }
        guard case .failed(let error) = result.answer else { return result }
        throw error.failure("run \(Self.verb(sql))", role: settings.user)
    }

    /// The next result, nil when there are no more. A server that has vanished without a word is
    /// given up at the deadline, and the session with it.
    private func result(before deadline: Double) throws(PgkeepError) -> OpaquePointer? {
        while PQisBusy(handle) == 1 {
            let left = deadline - SystemClock().monotonicSeconds
            guard left > 0 else {
                close()
                throw PgkeepError(
                    .sourceBroken,
                    "the server has not answered for too long",
                    hint: "check that the server runs and the network holds, then run it again"
                )
            }
            var entry = pollfd(fd: PQsocket(handle), events: Int16(POLLIN), revents: 0)
            _ = poll(&entry, 1, Int32(min(left, 3600) * 1000) + 1)
            // A broken session is told by the result.
            guard PQconsumeInput(handle) == 1 else { break }
        }
        return PQgetResult(handle)
    }

    /// Runs any number of statements, and tells of the first row whose first column is the truth
    /// value false. Rows are read one by one: a result may be of any size.
    ///
    /// Throws at the first statement that fails, and for a COPY from or to the client.
    public func runScript(_ sql: String) throws(PgkeepError) -> ScriptOutcome {
        guard PQsendQuery(handle, sql) == 1, PQsetSingleRowMode(handle) == 1 else {
            throw broken("send a command")
        }
        var outcome = ScriptOutcome()
        var failure: PgkeepError?
        while let raw = PQgetResult(handle) {
            let result = ResultHandle(raw)
            let isRow = PQresultStatus(raw) == PGRES_SINGLE_TUPLE
            switch result.answer {
            case .rows(let rows):
                if outcome.refusal == nil, PQnfields(raw) > 0, PQftype(raw, 0) == Self.boolean,
                    let row = rows.first(where: { $0.first == "f" })
                {
                    outcome.refusal = (outcome.statements + 1, row)
                }
                if !isRow { outcome.statements += 1 }
            case .complete: outcome.statements += 1
            case .failed(let error):
                let what = "run statement \(outcome.statements + 1)"
                failure = failure ?? error.failure(what, role: settings.user)
            default:
                close()
                throw PgkeepError(
                    .sourceStatement,
                    "statement \(outcome.statements + 1) copies from or to the client",
                    hint: "leave COPY … STDIN and STDOUT out"
                )
            }
        }
        if let failure { throw failure }
        return outcome
    }

    /// The type `boolean`.
    private static let boolean: Oid = 16

    /// The first words of a statement, for messages.
    private static func verb(_ sql: String) -> String {
        let words = sql.split(whereSeparator: \.isWhitespace).prefix(2)
        return words.joined(separator: " ")
    }

    private func broken(_ what: String) -> PgkeepError {
        let text = oneLine(String(cString: PQerrorMessage(handle)))
        return PostgresError(sqlstate: "", message: text).failure(what, role: settings.user)
    }
}

// MARK: - Steps of the replication protocol, for the drivers

extension Connection {
    /// Sends a command without waiting for its answers.
    func send(_ sql: String) throws(PgkeepError) {
        guard PQsendQuery(handle, sql) == 1 else { throw broken("send a command") }
    }

    /// The next answer to the command sent, waiting for it.
    func nextAnswer() -> ServerAnswer {
        guard let raw = PQgetResult(handle) else { return .finished }
        return ResultHandle(raw).answer
    }

    /// As above; `.sourceBroken` when nothing comes for so long.
    func nextAnswer(within seconds: Double) throws(PgkeepError) -> ServerAnswer {
        let deadline = SystemClock().monotonicSeconds + seconds
        guard let raw = try result(before: deadline) else { return .finished }
        return ResultHandle(raw).answer
    }

    /// Reads answers until there are no more, or the connection is lost.
    ///
    /// Copy data is thrown away.
    func drain() {
        while true {
            switch nextAnswer() {
            case .finished: return
            case .failed(let error) where error.sqlstate.isEmpty: return
            case .copyOut, .copyBoth:
                while true {
                    var buffer: UnsafeMutablePointer<CChar>?
                    guard PQgetCopyData(handle, &buffer, 0) > 0 else { break }
                    PQfreemem(buffer)
                }
            case .copyIn: PQputCopyEnd(handle, nil)
            default: continue
            }
        }
    }

    /// Passes over what a copy we have ended still brings, up to the end of its command.
    func finishCopy(within seconds: Double) throws(PgkeepError) {
        let deadline = SystemClock().monotonicSeconds + seconds
        while true {
            var buffer: UnsafeMutablePointer<CChar>?
            let length = PQgetCopyData(handle, &buffer, 1)
            PQfreemem(buffer)
            guard length >= 0 else { break }
            guard length == 0 else { continue }
            guard SystemClock().monotonicSeconds < deadline else { return close() }
            var entry = pollfd(fd: PQsocket(handle), events: Int16(POLLIN), revents: 0)
            _ = poll(&entry, 1, 200)
            try consumeInput()
        }
        while let raw = try result(before: deadline) { PQclear(raw) }
    }

    /// What reading copy data came to.
    enum CopyRead {
        /// One message was handed to the body.
        case message
        /// Nothing complete has arrived; only without `wait`.
        case nothingYet
        /// The copy is over; the next answer says how.
        case ended
    }

    /// Hands one copy message to `body`, which borrows libpq's memory: no copy is made here.
    @inline(__always)
    func readCopy(
        wait: Bool,
        _ body: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> CopyRead {
        var buffer: UnsafeMutablePointer<CChar>?
        let length = PQgetCopyData(handle, &buffer, wait ? 0 : 1)
        if length > 0 {
            defer { PQfreemem(buffer) }
            try body(UnsafeRawBufferPointer(start: buffer, count: Int(length)))
            return .message
        }
        if length == 0 { return .nothingYet }
        if length == -1 { return .ended }
        throw broken("read from the server")
    }

    /// Takes what the socket holds into libpq's buffer without waiting.
    func consumeInput() throws(PgkeepError) {
        guard PQconsumeInput(handle) == 1 else { throw broken("read from the server") }
    }

    /// Sends one copy message.
    func putCopy(_ bytes: UnsafeRawBufferPointer) throws(PgkeepError) {
        let sent = PQputCopyData(
            handle,
            bytes.bindMemory(to: CChar.self).baseAddress,
            Int32(bytes.count)
        )
        guard sent == 1, PQflush(handle) == 0 else { throw broken("write to the server") }
    }

    /// As above, with an array.
    func putCopy(_ bytes: [UInt8]) throws(PgkeepError) {
        // A result, because a typed error cannot leave the closure.
        let result = bytes.withUnsafeBytes { raw in
            Result { () throws(PgkeepError) in try putCopy(raw) }
        }
        try result.get()
    }

    /// Says that no more copy data comes from us.
    func endCopy() throws(PgkeepError) {
        guard PQputCopyEnd(handle, nil) == 1, PQflush(handle) == 0 else {
            throw broken("write to the server")
        }
    }

    /// The socket, for poll(2); valid until the connection is lost.
    var socket: Int32 { PQsocket(handle) }
}
