import Domain
import Subprocess
import SystemPackage

/// Runs other programs that are handed a short text.
enum PipedProgram {
    /// Bytes of a text: what a pipe takes before anybody reads.
    static let bytesMax = 4096

    /// Runs a program with `text` on its standard input and waits for its end; what it writes is
    /// thrown away, but for its complaints, which go to ours.
    ///
    /// - Parameters:
    ///   - what: what messages call it.
    ///   - hint: what to do when it fails.
    ///   - secondsMax: after so long it is ended.
    ///
    /// Throws `.missingProgram` when it fails or does not end.
    static func run(
        _ program: String,
        _ arguments: [String],
        text: String,
        what: String,
        hint: String,
        secondsMax: Int
    ) async throws(PgkeepError) {
        precondition(text.utf8.count <= bytesMax)
        let status: TerminationStatus?
        do {
            // Filled before the program begins: whether it reads is its own affair.
            let (input, filling) = try FileDescriptor.pipe()
            try filling.closeAfter { _ = try filling.writeAll(text.utf8) }
            status = try await withThrowingTaskGroup(of: TerminationStatus?.self) { group in
                group.addTask {
                    try await Subprocess.run(
                        .path(FilePath(program)),
                        arguments: Arguments(arguments),
                        input: .fileDescriptor(input, closeAfterSpawningProcess: true),
                        output: .discarded,
                        error: .currentStandardError
                    ).terminationStatus
                }
                group.addTask {
                    try await Task.sleep(for: .seconds(secondsMax))
                    return nil
                }
                defer { group.cancelAll() }
                return try await group.next() ?? nil
            }
        } catch {
            throw PgkeepError(.missingProgram, "\(what) cannot be run", hint: hint, cause: error)
        }
        guard let status else {
            throw PgkeepError(
                .missingProgram,
                "\(what) did not end in \(secondsMax) seconds",
                hint: "have it hand its work to another process"
            )
        }
        guard status.isSuccess else {
            throw PgkeepError(.missingProgram, "\(what) failed (\(status))", hint: hint)
        }
    }
}
