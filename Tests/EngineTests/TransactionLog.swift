import Domain
import Platform
import TestSupport

/// How every transaction ended, in the order recovery meets it, as `pg_waldump` tells it.
struct TransactionLog {
    /// A commit or an abort.
    struct End {
        /// Where its record starts.
        var start: LSN
        var xid: UInt32
        var time: Timestamp
        var isCommit: Bool
    }

    /// In WAL order.
    private(set) var ends: [End]

    /// What a server's own WAL says from `start` to now. The end is a record's, so that no record
    /// is read in part.
    static func read(
        _ server: PostgresServer,
        from start: LSN,
        timeline: Int = 1
    ) throws -> TransactionLog {
        let text = try server.psql("select pg_create_restore_point('end of the log')")
        guard let end = LSN(text) else { throw PgkeepError(.unexpected, "no LSN: \(text)") }
        try waitUntil("the server has flushed \(end)") { try server.currentLSN() >= end }
        let dump = try CommandRunner.asServer.with(["TZ": "UTC"]).check(
            server.installation.program("pg_waldump"),
            [
                "--rmgr=Transaction", "-p", server.dataDirectory + "/pg_wal", "-t", "\(timeline)",
                "-s", "\(start)", "-e", "\(end)",
            ]
        )
        return TransactionLog(ends: try dump.split(separator: "\n").compactMap(Self.end))
    }

    // rmgr: Transaction … tx: 735, lsn: 0/00D000A8, prev 0/00D00068, desc: COMMIT 2026-… UTC; …
    private static func end(_ line: Substring) throws -> End? {
        let words = line.split(separator: " ")
        func word(after key: Substring, _ distance: Int = 1) -> Substring? {
            words.firstIndex(of: key).flatMap { index in
                index + distance < words.count ? words[index + distance] : nil
            }
        }
        guard let kind = word(after: "desc:"), kind == "COMMIT" || kind == "ABORT" else {
            return nil
        }
        guard let date = word(after: "desc:", 2), let clock = word(after: "desc:", 3),
            let time = Timestamp("\(date) \(clock)"),
            let start = word(after: "lsn:").flatMap({ LSN($0.dropLast()) }),
            let xid = word(after: "tx:").flatMap({ UInt32($0.dropLast()) })
        else { throw PgkeepError(.unexpected, "not understood: \(line)") }
        return End(start: start, xid: xid, time: time, isCommit: kind == "COMMIT")
    }

    /// The transactions committed by records before the first one that `stops`.
    func committed(until stops: (End) -> Bool) -> Set<UInt32> {
        Set(ends.prefix { !stops($0) }.filter(\.isCommit).map(\.xid))
    }
}
