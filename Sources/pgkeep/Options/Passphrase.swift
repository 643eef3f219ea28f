import Domain
import Engine
import Platform
import Sealing

/// Reads passphrases: the first line of what a file, a command or the keyboard gives.
enum Passphrase {
    private static let bytesMax = 4096

    /// From a file that only its owner and group can read.
    static func fromFile(_ path: String) throws -> SecretBytes {
        guard let info = try FileSystem.info(path, followLinks: true) else {
            throw PgkeepError(
                .notFound,
                "passphrase file \(path) is not there",
                hint: "correct the variable, or passphrase_file in the config file, that names it"
            )
        }
        guard info.kind != .file || info.mode & 0o027 == 0 else {
            throw PgkeepError(
                .refused,
                "passphrase file \(path) can be read or changed by others",
                hint: "chmod 600 \(path)"
            )
        }
        var bytes = try FileSystem.readFile(path, limit: bytesMax)
        return try firstLine(&bytes, of: "passphrase file \(path)")
    }

    /// From the standard output of a command, run by `/bin/sh`.
    static func fromCommand(_ command: String) throws -> SecretBytes {
        var bytes: [UInt8]
        do {
            bytes = try waiting {
                try await ProgramOutput.read("/bin/sh", ["-c", command], limit: bytesMax)
            }
        } catch {
            throw PgkeepError(
                .notFound,
                "the passphrase command failed",
                hint: "run it by hand: a PGKEEP_…PASSPHRASE_COMMAND, or passphrase_command in "
                    + "the config file",
                cause: error
            )
        }
        return try firstLine(&bytes, of: "the passphrase command's output")
    }

    /// Typed by the operator, twice when `confirms`.
    static func typed(
        token: CancellationToken,
        confirms: Bool,
        prompt: String = "Passphrase of the vault: "
    ) throws -> SecretBytes {
        let first = try ask(prompt, token)
        if confirms {
            guard try ask("The same again: ", token) == first else {
                throw PgkeepError(
                    .usage,
                    "the two passphrases differ",
                    hint: "run the command again and type the same twice"
                )
            }
        }
        return first
    }

    private static func ask(_ prompt: String, _ token: CancellationToken) throws -> SecretBytes {
        guard var line = try Terminal.readSecret(prompt, token: token) else {
            throw PgkeepError(
                .usage,
                "there is no terminal to type the passphrase on",
                hint: "set PGKEEP_PASSPHRASE, PGKEEP_PASSPHRASE_FILE or PGKEEP_PASSPHRASE_COMMAND"
            )
        }
        return try firstLine(&line, of: "the passphrase typed")
    }

    /// Keeps the bytes before the first line end and wipes the rest.
    private static func firstLine(_ bytes: inout [UInt8], of source: String) throws -> SecretBytes {
        defer { bytes.withUnsafeMutableBytes { wipe($0) } }
        let length = bytes.firstIndex { $0 == 0x0a || $0 == 0x0d } ?? bytes.count
        guard length > 0 else {
            throw PgkeepError(.usage, "\(source) is empty", hint: "put the passphrase there")
        }
        return bytes.withUnsafeBytes {
            SecretBytes(copying: UnsafeRawBufferPointer(rebasing: $0[..<length]))
        }
    }
}
