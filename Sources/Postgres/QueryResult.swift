/// The rows of a query, all values in text form.
public struct QueryResult: Sendable {
    /// The names of the columns.
    public var columns: [String]
    /// The rows; nil is NULL.
    public var rows: [[String?]]

    /// A result.
    public init(columns: [String], rows: [[String?]]) {
        self.columns = columns
        self.rows = rows
    }

    /// The first value of the first row, nil when there is none or it is NULL.
    public var first: String? { rows.first?.first ?? nil }
}

/// What a script of several statements came to.
public struct ScriptOutcome: Sendable {
    /// Statements that were run.
    public var statements = 0
    /// The first row whose first column is false, and the number of its statement from 1.
    public var refusal: (statement: Int, row: [String?])?
}

/// Writing values into commands.
///
/// The replication grammar knows no parameters, so we quote.
public enum SQL {
    /// A string literal: single quotes doubled.
    ///
    /// Backslashes are plain characters, in replication commands always and in SQL because
    /// `Connection` sets standard_conforming_strings.
    public static func literal(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''")
            + "'"
    }

    /// An identifier: double quotes doubled.
    public static func identifier(_ text: String) -> String {
        "\""
            + text.split(separator: "\"", omittingEmptySubsequences: false)
            .joined(separator: "\"\"") + "\""
    }
}
