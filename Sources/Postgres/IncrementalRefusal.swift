package import Domain

/// Why a server does not send changed blocks only. A full backup of it serves as well.
///
/// Sources: UploadManifest, parse_basebackup_options and PrepareForIncrementalBackup of PostgreSQL
/// 17 and 18.
package struct IncrementalRefusal: Hashable, Sendable {
    /// The kinds of refusals.
    package enum Reason: CaseIterable, Hashable, Sendable {
        /// summarize_wal is off.
        case summarizingOff
        /// Summaries since the parent's start were removed, or never made.
        case summariesMissing
        /// The server's summarizer does not get on.
        case summarizerStuck
        /// The server's history does not go through the parent.
        case otherHistory
        /// The parent is newer than the start the server can offer: an idle standby.
        case parentAhead
        /// The manifest was not taken.
        case manifest
        /// Anything else the server said; texts may be in any language.
        case other
    }

    /// Which kind it is.
    package var reason: Reason
    /// What the server said.
    package var said: PostgresError

    /// Reads an error that came before the server sent anything of an incremental backup.
    ///
    /// Nil for a trouble that a full backup would have too: the connection, a shutdown, a lack of
    /// resources or rights, somebody's wish to stop.
    package init?(_ error: PostgresError) {
        let otherTroubles = ["08", "28", "42501", "53", "57"]
        guard !error.sqlstate.isEmpty, !otherTroubles.contains(where: error.sqlstate.hasPrefix)
        else { return nil }
        said = error
        reason = Self.texts.first { error.message.contains($0.text) }?.reason ?? .other
    }

    /// Texts that only their own message has, the more particular first.
    private static let texts: [(text: String, reason: Reason)] = [
        ("unless WAL summarization is enabled", .summarizingOff),
        ("WAL summaries are required", .summariesMissing),
        ("WAL summarization is not progressing", .summarizerStuck),
        ("not in this server's history", .otherHistory),
        ("manifest requires WAL from final timeline", .parentAhead),
        ("manifest requires WAL from", .otherHistory),
        ("must UPLOAD_MANIFEST", .manifest),
        ("manifest", .manifest),
    ]

    /// The error a caller recognises by its code, `.sourceIncremental`.
    package var failure: PgkeepError {
        let (what, hint) = words
        return PgkeepError(.sourceIncremental, what, hint: hint, cause: said)
    }

    private var words: (String, String) {
        switch reason {
        case .summarizingOff:
            (
                "summarize_wal is off on the server",
                "ALTER SYSTEM SET summarize_wal = on; SELECT pg_reload_conf();"
            )
        case .summariesMissing:
            (
                "the server has no complete WAL summaries since the parent point",
                "keep them for longer than the time between two backups: wal_summary_keep_time"
            )
        case .summarizerStuck:
            (
                "the server's WAL summarizer does not get on",
                "look for its process, wal summarizer, and its errors in the server's log"
            )
        case .otherHistory:
            (
                "the parent point is not in the history of the server's timeline",
                "nothing is to be done: the next backup has a parent on this timeline"
            )
        case .parentAhead:
            (
                "the standby has made no restartpoint since the parent point",
                "take backups of an idle standby less often than its restartpoints"
            )
        case .manifest:
            (
                "the server does not take the parent point's manifest",
                "report this with the server's version"
            )
        case .other: ("the server refuses to send changed blocks only", said.hint)
        }
    }
}
