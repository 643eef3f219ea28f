public import Domain

/// The operator's own command that is told of events: mail, chat, a ticket.
public struct EventHook: Sendable {
    /// What `/bin/sh` runs.
    public let command: String

    /// Seconds after which it is ended: what it tells others must not hold up a restore.
    private static let secondsMax = 30

    /// Bytes of a document.
    public static let bytesMax = PipedProgram.bytesMax

    /// A command.
    public init(command: String) { self.command = command }

    /// Runs the command with `document` on its standard input and waits for its end; what it writes
    /// is thrown away, but for its complaints, which go to ours.
    ///
    /// Throws `.missingProgram` when it fails or does not end.
    public func tell(_ document: String) async throws(PgkeepError) {
        try await PipedProgram.run(
            "/bin/sh",
            ["-c", command],
            text: document,
            what: "the hook",
            hint: "run it by hand: PGKEEP_HOOK, or hook in the config file",
            secondsMax: Self.secondsMax
        )
    }
}
