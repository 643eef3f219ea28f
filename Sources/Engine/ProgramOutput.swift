public import Domain
import Subprocess
import SystemPackage

/// Runs other programs for a line of their output.
public enum ProgramOutput {
    /// What `program` writes to standard output, at most `limit` bytes; its complaints go to ours.
    ///
    /// Throws `.missingProgram` when it cannot be started, fails, or writes more.
    public static func read(
        _ program: String,
        _ arguments: [String],
        limit: Int
    ) async throws(PgkeepError) -> [UInt8] {
        let failure: PgkeepError
        do {
            let outcome = try await Subprocess.run(
                .path(FilePath(program)),
                arguments: Arguments(arguments),
                output: .bytes(limit: limit),
                error: .currentStandardError
            )
            if outcome.terminationStatus.isSuccess { return outcome.standardOutput }
            failure = PgkeepError(
                .missingProgram,
                "\(program) failed (\(outcome.terminationStatus))"
            )
        } catch {
            failure = PgkeepError(.missingProgram, "cannot run \(program)", cause: error)
        }
        throw failure
    }
}
