public import Domain

/// What the server said when a command failed: the cause inside a `PgkeepError`.
///
/// Match on `sqlstate`; texts may be in any language.
public struct PostgresError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Five characters; empty when libpq itself failed (lost connection, protocol trouble).
    public var sqlstate: String
    /// One line.
    public var message: String
    /// The server's DETAIL, or empty.
    public var detail: String
    /// The server's HINT, or empty.
    public var hint: String

    /// An error as the server sends it.
    public init(sqlstate: String, message: String, detail: String = "", hint: String = "") {
        self.sqlstate = sqlstate
        self.message = message
        self.detail = detail
        self.hint = hint
    }

    /// Message and SQLSTATE.
    public var description: String {
        let text = detail.isEmpty ? message : "\(message) (\(detail))"
        return sqlstate.isEmpty ? text : "\(text) [\(sqlstate)]"
    }
}

extension PostgresError {
    /// The error of the layer, with the code and the hint that the SQLSTATE tells.
    ///
    /// `what` says what was being done, for example "read the slot". The server's own words stay as
    /// the cause.
    package func failure(_ what: String, role: String = "the role") -> PgkeepError {
        let (code, hint): (ErrorCode, String) =
            switch sqlstate {
            case "":
                (
                    .sourceBroken,
                    "check that the server runs and the network holds, then run it again"
                )
            case "57P01", "57P02":
                (.sourceBroken, "the server ended the session; run it again when it is back")
            case "57P03":
                (.sourceUnreachable, "wait until the server accepts connections")
            case "57014": (.cancelled, "run it again")
            case "42501":
                (.sourcePrivilege, "grant \(role) the right named in the server's message")
            case "55006":
                (.slotBusy, "stop the other consumer of the slot, or choose another slot name")
            case "58P01": (.walRemoved, "take a new backup: WAL in between is lost")
            case "53300":
                (.sourceSetting, "raise max_wal_senders in postgresql.conf and restart the server")
            case "55000":
                (.sourceSetting, self.hint)
            default: (.sourceStatement, self.hint)
            }
        return PgkeepError(code, "could not \(what)", hint: oneLine(hint), cause: self)
    }
}

extension PgkeepError {
    /// The server's error beneath this one, if one is.
    public var postgres: PostgresError? {
        if let error = cause as? PostgresError { return error }
        return (cause as? PgkeepError)?.postgres
    }
}

/// `text` on one line: white space of any kind collapsed to single blanks.
func oneLine(_ text: some StringProtocol) -> String {
    text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
}
