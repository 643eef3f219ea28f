import Domain
import FoundationEssentials
import Platform
import TestSupport

/// A table every row of which names the transaction that wrote it, under constant writing beside
/// pgbench's own load: what a copy must hold is then told by the WAL alone.
enum Ledger {
    /// Creates the table and pgbench's.
    static func create(on server: PostgresServer) throws {
        try server.pgbenchInit()
        try server.psql("create table ledger (xid bigint primary key)")
    }

    /// The transactions whose rows are there.
    static func rows(on server: PostgresServer) throws -> Set<UInt32> {
        let text = try server.psql("select xid from ledger")
        return Set(text.split(separator: "\n").compactMap { UInt32($0) })
    }

    /// When each row's transaction was committed, as the server itself remembers it
    /// (`track_commit_timestamp`).
    static func commitTimes(on server: PostgresServer) throws -> [UInt32: Timestamp] {
        let text = try server.psql(
            """
            select xid, (extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000000)::bigint
            from ledger
            """
        )
        var times: [UInt32: Timestamp] = [:]
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: "|")
            guard fields.count == 2, let xid = UInt32(fields[0]), let time = Int64(fields[1])
            else { throw PgkeepError(.unexpected, "no commit time: \(line)") }
            times[xid] = Timestamp(microseconds: time)
        }
        return times
    }

    /// Waits until the load has written that many more rows.
    static func wait(forMore count: Int, on server: PostgresServer) throws {
        let now = try rows(on: server).count
        try waitUntil("the ledger grows", seconds: 120) {
            try rows(on: server).count >= now + count
        }
    }

    /// Writes until stopped: commits, some of them at nearly the same time, and aborts.
    static func startLoad(on server: PostgresServer) throws -> Load {
        guard let scratch = server.scratch else { preconditionFailure("the scratch has ended") }
        let directory = scratch.unusedPath("scripts")
        try FileSystem.makeDirectories(directory, mode: 0o755)
        let insert = "insert into ledger values (pg_current_xact_id()::text::bigint);\n"
        let scripts = ["commit": insert, "abort": "begin;\n\(insert)rollback;\n"]
        for (name, text) in scripts {
            try FileSystem.writeAtomically("\(directory)/\(name)", Array(text.utf8), mode: 0o644)
        }
        return Load(
            programs: [
                try server.startPgbench(["--rate=60"]),
                try server.startPgbench(
                    clients: 3,
                    [
                        "--rate=60", "-f", "\(directory)/commit@5", "-f", "\(directory)/abort@1",
                    ]
                ),
            ]
        )
    }

    /// The programs that write.
    struct Load {
        var programs: [RunningCommand]

        /// Ends them; what they were in is rolled back.
        func stop() {
            for program in programs { program.interrupt() }
        }
    }
}
