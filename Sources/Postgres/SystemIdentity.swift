public import Domain

/// Who a server is and how far its WAL goes: the answer to IDENTIFY_SYSTEM.
public struct SystemIdentity: Hashable, Sendable {
    /// The identifier initdb gave the cluster.
    public var systemIdentifier: SystemIdentifier
    /// The timeline the server is on.
    public var timeline: TimelineID
    /// The end of flushed WAL on a primary, of received or replayed WAL on a standby.
    public var position: LSN

    /// An identity.
    public init(systemIdentifier: SystemIdentifier, timeline: TimelineID, position: LSN) {
        self.systemIdentifier = systemIdentifier
        self.timeline = timeline
        self.position = position
    }
}

extension Connection {
    /// Asks a replication connection who the server is.
    public func identifySystem() throws(PgkeepError) -> SystemIdentity {
        let result = try query("IDENTIFY_SYSTEM")
        guard let row = result.rows.first, row.count >= 3,
            let number = row[0].flatMap({ UInt64($0) }), number > 0,
            let timeline = row[1].flatMap({ TimelineID($0) }),
            let position = row[2].flatMap({ LSN($0) })
        else {
            throw PgkeepError(
                .sourceBroken,
                "IDENTIFY_SYSTEM gave an answer that cannot be read",
                hint: "check that the address leads to a PostgreSQL server, not to a pooler"
            )
        }
        return SystemIdentity(
            systemIdentifier: SystemIdentifier(rawValue: number),
            timeline: timeline,
            position: position
        )
    }

    /// Fetches a timeline's history file over a replication connection: its bytes exactly as the
    /// server has them, and parsed.
    ///
    /// Timeline 1 has none: nil, and so for a timeline the server does not know.
    public func timelineHistory(
        of timeline: TimelineID
    ) throws(PgkeepError) -> (content: [UInt8], history: TimelineHistory)? {
        guard timeline > 1 else { return nil }
        do throws(PgkeepError) {
            let row = try firstRowBytes("TIMELINE_HISTORY \(timeline)")
            guard row.count >= 2, let content = row[1],
                let history = TimelineHistory(
                    timeline: timeline,
                    content: String(decoding: content, as: UTF8.self)
                )
            else {
                throw PgkeepError(
                    .sourceBroken,
                    "the history of timeline \(timeline) cannot be read",
                    hint: "look at pg_wal/\(TimelineHistory.name(of: timeline)) on the server"
                )
            }
            return (content, history)
        } catch  where error.postgres?.sqlstate == "58P01" {
            return nil
        }
    }

    /// The value of a server setting as SHOW prints it; nil when this server has no such setting or
    /// does not show it to this role.
    ///
    /// Works on both kinds of connection.
    public func setting(_ name: String) throws(PgkeepError) -> String? {
        do throws(PgkeepError) {
            return try query("SHOW \(name)").first
        } catch  where ["42704", "42501"].contains(error.postgres?.sqlstate) {
            return nil
        }
    }
}
