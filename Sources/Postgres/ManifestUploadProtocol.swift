package import Domain

/// The conversation of UPLOAD_MANIFEST as a value: answers in, whose turn it is out.
///
/// The command, a COPY from us, one completion without rows. Source: UploadManifest in
/// PostgreSQL's walsender.c, 17 and later.
package struct ManifestUploadProtocol {
    /// What is to be done next.
    package enum Next: Hashable, Sendable {
        /// Read an answer.
        case answer
        /// Send the manifest, then say `sent`.
        case send
        /// Nothing: the server has it.
        case nothing
    }

    private enum State { case start, sending, completion, end, done }

    private var state = State.start

    /// A conversation after the command was sent.
    package init() {}

    /// What is to be done next.
    package var next: Next {
        switch state {
        case .sending: .send
        case .done: .nothing
        case .start, .completion, .end: .answer
        }
    }

    /// Takes an answer.
    ///
    /// Throws `.sourceIncremental` when the server does not want the manifest, what it reported
    /// when that has another cause, and `.sourceBroken` for nonsense.
    package mutating func receive(_ answer: ServerAnswer) throws(PgkeepError) {
        switch (state, answer) {
        case (_, .failed(let error)):
            guard let refusal = IncrementalRefusal(error) else {
                throw error.failure("upload the parent's manifest")
            }
            throw refusal.failure
        case (.start, .copyIn): state = .sending
        case (.completion, .complete): state = .end
        case (.end, .finished): state = .done
        default:
            throw PgkeepError(
                .sourceBroken,
                "the server broke the protocol of UPLOAD_MANIFEST: \(answer.name) came out of turn",
                hint: "check that the address leads to a PostgreSQL server, not to a pooler"
            )
        }
    }

    /// All of the manifest and the end of the copy have been sent.
    package mutating func sent() {
        precondition(next == .send, "nothing was to be sent")
        state = .completion
    }
}
