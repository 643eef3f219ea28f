import Domain
import Platform
import Subprocess
import SystemPackage

/// Runs PostgreSQL's programs as another user than root, who may start them but not be them.
struct AccountProgram: Sendable {
    /// How a program ended, and what it wrote, in one line.
    struct Outcome: Sendable {
        var isSuccess: Bool
        var text: String
    }

    /// Whom it runs as.
    var account: UserAccount

    /// Bytes of a log that are shown.
    private static let shownMax = 4096

    /// Runs a program that writes little in `directory` to its end.
    func run(
        _ program: String,
        _ arguments: [String],
        in directory: String
    ) async throws -> Outcome {
        let result = try await Subprocess.run(
            .path(FilePath(program)),
            arguments: Arguments(arguments),
            workingDirectory: FilePath(directory),
            platformOptions: options,
            output: .string(limit: 64 << 10),
            error: .string(limit: 64 << 10)
        )
        let text = [result.standardOutput, result.standardError].compactMap { $0 }.joined()
        return Outcome(isSuccess: result.terminationStatus.isSuccess, text: Self.oneLine(text))
    }

    /// Runs a program that may write much, into the file `log`, with no variables of ours, so that
    /// none leads it elsewhere; killed when the task is cancelled. Gives the beginning of the log.
    func run(
        _ program: String,
        _ arguments: [String],
        in directory: String,
        log: String
    ) async throws -> Outcome {
        let file = try FileDescriptor.open(
            log,
            .writeOnly,
            options: [.create, .truncate],
            permissions: .ownerReadWrite
        )
        let result = try await Subprocess.run(
            .path(FilePath(program)),
            arguments: Arguments(arguments),
            environment: .custom(["PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"]),
            workingDirectory: FilePath(directory),
            platformOptions: options,
            output: .fileDescriptor(file, closeAfterSpawningProcess: true),
            error: .combinedWithOutput
        )
        let written = try File(log, .read)
        var bytes = [UInt8](repeating: 0, count: Self.shownMax)
        let count = try bytes.withUnsafeMutableBytes { try written.read(into: $0, at: 0) }
        return Outcome(
            isSuccess: result.terminationStatus.isSuccess,
            text: Self.oneLine(String(decoding: bytes.prefix(count), as: UTF8.self))
        )
    }

    private var options: PlatformOptions {
        var options = PlatformOptions()
        if UserAccount.current.isRoot {
            options.userID = account.user
            options.groupID = account.group
            options.supplementaryGroups = [account.group]
        }
        return options
    }

    private static func oneLine(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).joined(separator: "; ")
    }
}
