public import Domain
import Subprocess
import SystemPackage

/// The operator's own command that is told of events: mail, chat, a ticket.
public struct EventHook: Sendable {
    /// What `/bin/sh` runs.
    public let command: String

    /// Seconds after which it is ended: what it tells others must not hold up a restore.
    private static let secondsMax = 30

    /// Bytes of a document: what a pipe takes before anybody reads.
    public static let bytesMax = 4096

    /// A command.
    public init(command: String) { self.command = command }

    /// Runs the command with `document` on its standard input and waits for its end; what it writes
    /// is thrown away, but for its complaints, which go to ours.
    ///
    /// Throws `.missingProgram` when it fails or does not end.
    public func tell(_ document: String) async throws(PgkeepError) {
        precondition(document.utf8.count <= Self.bytesMax)
        let command = command
        let status: TerminationStatus?
        do {
            // Filled before the command begins: whether it reads is its own affair.
            let (input, filling) = try FileDescriptor.pipe()
            try filling.closeAfter { _ = try filling.writeAll(document.utf8) }
            status = try await withThrowingTaskGroup(of: TerminationStatus?.self) { group in
                group.addTask {
                    try await Subprocess.run(
                        .path(FilePath("/bin/sh")),
                        arguments: ["-c", command],
                        input: .fileDescriptor(input, closeAfterSpawningProcess: true),
                        output: .discarded,
                        error: .currentStandardError
                    ).terminationStatus
                }
                group.addTask {
                    try await Task.sleep(for: .seconds(Self.secondsMax))
                    return nil
                }
                defer { group.cancelAll() }
                return try await group.next() ?? nil
            }
        } catch {
            throw PgkeepError(.missingProgram, "the hook cannot be run", cause: error)
        }
        guard let status else {
            throw PgkeepError(
                .missingProgram,
                "the hook did not end in \(Self.secondsMax) seconds",
                hint: "have it hand its work to another process"
            )
        }
        guard status.isSuccess else {
            throw PgkeepError(
                .missingProgram,
                "the hook failed (\(status))",
                hint: "run it by hand: PGKEEP_HOOK, or hook in the config file"
            )
        }
    }
}
