import Domain
import Platform
import Postgres
import TestSupport

/// A client that commits one row after another into `public.ledger` and remembers what the server
/// has acknowledged. Ends when its session breaks.
final class Committer: Sendable {
    /// A row whose commit was acknowledged.
    struct Row: Sendable {
        var id: Int
        /// The transaction that wrote it.
        var xid: String
    }

    /// The table it writes to.
    static let table = "create table public.ledger (id bigint primary key, filler text)"

    private let acknowledged = Condition<[Row]>([])
    private let stopped = Condition(false)
    private let thread: Thread<Void>

    /// Begins to commit rows numbered from `first` on.
    init(_ server: PostgresServer, from first: Int) throws {
        let connection = try Connection(
            ConnectionSettings(server.conninfo),
            kind: .sql,
            applicationName: "committer"
        )
        thread = Thread("committer") { [acknowledged, stopped] in
            var id = first
            while !stopped.read({ $0 }) {
                let answer = try connection.query(
                    """
                    INSERT INTO public.ledger VALUES (\(id), repeat(md5('\(id)'), 20))
                    RETURNING pg_catalog.pg_current_xact_id()
                    """
                )
                guard let xid = answer.first else {
                    throw PgkeepError(.unexpected, "the server told no transaction id")
                }
                acknowledged.change { $0.append(Row(id: id, xid: xid)) }
                id += 1
            }
        }
    }

    /// What was acknowledged so far.
    var rows: [Row] { acknowledged.read { $0 } }

    /// Waits until the server has acknowledged `count` more rows than now.
    func wait(for count: Int) throws {
        let goal = rows.count + count
        let reached = acknowledged.wait(seconds: 120) { $0.count >= goal ? true : nil }
        guard reached == true else {
            throw PgkeepError(
                .unexpected,
                "the server acknowledged only \(rows.count) of \(goal) rows: "
                    + "\(thread.result.map { "\($0)" } ?? "it still waits")"
            )
        }
    }

    /// Ends after the current row.
    func stop() { stopped.change { $0 = true } }

    /// Waits for the end; what was acknowledged.
    func finish() -> [Row] {
        _ = try? thread.join()
        return rows
    }
}
