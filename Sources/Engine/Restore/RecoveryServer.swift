public import Domain
public import Platform

/// Starts the server of a restored directory and follows its recovery until it accepts writes.
///
/// Nothing is asked over SQL: the copy's pg_hba.conf and passwords are the source's. The state
/// comes from `postmaster.pid`, which the server keeps in every locale, the details from its log,
/// which is forced to the C locale for this one start.
public struct RecoveryServer: Sendable {
    /// How recovery ended.
    public struct Outcome: Sendable {
        /// The time of the last transaction in the copy, as its server says it.
        public var lastTransaction: Timestamp?
        /// Where replay ended, when the server said so.
        public var replayedUpTo: LSN?
        /// The timeline the copy writes on now; nil while it is paused.
        public var timeline: TimelineID?
        /// True when it waits at the target instead of accepting writes.
        public var isPaused: Bool
        /// The server's log file.
        public var log: String
    }

    /// The directory with `pg_ctl` and `postgres`.
    public var programs: String
    /// The restored data directory.
    public var directory: String
    /// Whom the server runs as.
    public var account: UserAccount
    /// Ends with the server paused at its target.
    public var pauses: Bool

    /// A server to be started in `directory`.
    public init(programs: String, directory: String, account: UserAccount, pauses: Bool) {
        self.programs = programs
        self.directory = directory
        self.account = account
        self.pauses = pauses
    }

    /// The log of this start.
    public var logPath: String { directory + "/pgkeep-recovery.log" }

    /// Starts the server and waits until recovery has ended, reporting progress to `meter`.
    ///
    /// On return the server runs. When `token` is cancelled or recovery fails, it is stopped.
    /// - Parameters:
    ///   - range: the WAL to replay, for progress.
    ///   - segmentSize: the length of its segments.
    /// - Throws: `.recoveryFailed` with the server's own reason, `.cancelled`.
    public func startAndFollow(
        range: Range<LSN>,
        segmentSize: WALSegmentSize,
        meter: ProgressMeter,
        token: CancellationToken
    ) async throws -> Outcome {
        meter.begin("replay", totalBytes: range.upperBound - range.lowerBound)
        try await start()
        do {
            return try await follow(range: range, size: segmentSize, meter: meter, token: token)
        } catch {
            await stop()
            throw error
        }
    }

    /// Stops the server fast; one that does not run is no error.
    public func stop() async {
        _ = try? await control(["stop", "-D", directory, "-m", "fast", "-w", "-t", "60"])
    }

    private func start() async throws {
        let options =
            "-c lc_messages=C -c log_destination=stderr -c logging_collector=off"
            + " -c log_min_messages=warning"
        let outcome = try await control(
            ["start", "-D", directory, "-W", "-s", "-l", logPath, "-o", options])
        guard outcome.isSuccess else {
            throw PgkeepError(
                .recoveryFailed,
                "pg_ctl could not start the server: \(outcome.text)",
                hint: "read \(logPath)"
            )
        }
    }

    private func follow(
        range: Range<LSN>,
        size: WALSegmentSize,
        meter: ProgressMeter,
        token: CancellationToken
    ) async throws -> Outcome {
        var log = ServerLog()
        var read: UInt64 = 0
        var reported = LSN.zero
        var missing = 0
        while true {
            try token.check()
            read = try readLog(into: &log, from: read)
            if let name = log.fetched, let segment = WALSegment(name: name, size: size) {
                let position = min(max(segment.start, range.lowerBound), range.upperBound)
                if position > max(reported, range.lowerBound) {
                    meter.add(position - max(reported, range.lowerBound))
                    reported = position
                }
                meter.note("replaying \(segment.start)")
            }
            // The state is "ready" for a standby that takes readers too; only the log tells them
            // apart.
            switch try state() {
            case "ready" where log.acceptsWrites:
                return outcome(log, isPaused: false)
            case "ready" where pauses && log.isPaused:
                return outcome(log, isPaused: true)
            case nil:
                // Between pg_ctl's return and the first write of the file there is a moment without
                // one; a server that is gone for good stays without it.
                missing += 1
                if log.failure != nil || missing > 50 { throw failed(log) }
            default: missing = 0
            }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    private func outcome(_ log: ServerLog, isPaused: Bool) -> Outcome {
        Outcome(
            lastTransaction: log.lastTransaction.flatMap { Timestamp($0) },
            replayedUpTo: log.redoneUpTo,
            timeline: log.newTimeline,
            isPaused: isPaused,
            log: logPath
        )
    }

    private func failed(_ log: ServerLog) -> PgkeepError {
        PgkeepError(
            .recoveryFailed,
            "the restored server stopped: \(log.failure ?? "no reason in its log")",
            hint: "read \(logPath); the restored files are complete and stay in \(directory)"
        )
    }

    /// The state line of `postmaster.pid` (PostgreSQL 10 and later): `starting`, `standby`,
    /// `ready`, `stopping`; nil without the file.
    private func state() throws -> String? {
        let path = directory + "/postmaster.pid"
        guard try FileSystem.info(path) != nil, let bytes = try? FileSystem.readFile(path) else {
            return nil
        }
        let lines = String(decoding: bytes, as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count >= 8 else { return "starting" }
        return String(lines[7].prefix { !$0.isWhitespace })
    }

    /// Feeds complete new lines to `log`; returns the offset after them.
    private func readLog(into log: inout ServerLog, from offset: UInt64) throws -> UInt64 {
        guard try FileSystem.info(logPath) != nil else { return offset }
        let file = try File(logPath, .read)
        var block = [UInt8](repeating: 0, count: 64 << 10)
        let count = try block.withUnsafeMutableBytes { try file.read(into: $0, at: offset) }
        guard let end = block[..<count].lastIndex(of: 10) else { return offset }
        for line in block[..<end].split(separator: 10) {
            log.read(String(decoding: line, as: UTF8.self))
        }
        return offset + UInt64(end) + 1
    }

    private func control(_ arguments: [String]) async throws -> AccountProgram.Outcome {
        try await AccountProgram(account: account)
            .run(programs + "/pg_ctl", arguments, in: directory)
    }
}
