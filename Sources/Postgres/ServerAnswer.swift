/// One answer of the server to a command, as the protocol state machines see it.
package enum ServerAnswer: Hashable, Sendable {
    /// A result set, values in text form.
    case rows([[String?]])
    /// The server begins to send copy data.
    case copyOut
    /// The server waits for copy data from us.
    case copyIn
    /// Copy data flows both ways.
    case copyBoth
    /// A command is complete; its tag.
    case complete(String)
    /// The command failed, or (empty SQLSTATE) the connection.
    case failed(PostgresError)
    /// No more answers to this command.
    case finished

    /// For messages about an answer nobody expected.
    package var name: String {
        switch self {
        case .rows: "a result set"
        case .copyOut: "copy-out"
        case .copyIn: "copy-in"
        case .copyBoth: "copy-both"
        case .complete(let tag): "completion of \(tag)"
        case .failed(let error): "an error: \(error)"
        case .finished: "the end"
        }
    }
}
