import Domain
private import Glibc
import Platform

/// Data directories as initdb leaves them. One of each kind is made by initdb in a process and
/// copied from then on: a copy takes a fraction of the time. All copies of a kind have one system
/// identifier, as a server and its backup have.
enum InitializedData {
    private static let scratch = Condition<ScratchDirectory?>(nil)
    private static let templates = Condition<[String: String]>([:])

    /// Makes the directory `path`, empty and the server user's, a data directory.
    ///
    /// - Parameter isCopy: false runs initdb for it alone, for an identifier of its own.
    static func make(
        _ path: String,
        _ installation: PostgresInstallation,
        _ arguments: [String],
        isCopy: Bool
    ) throws {
        guard isCopy else { return try initialise(path, installation, arguments) }
        let kind = ([installation.binaries] + arguments).joined(separator: " ")
        // Under the lock: who comes second waits for the first one's instead of making another.
        let template = try templates.change { templates in
            if let known = templates[kind] { return known }
            let directory = try home().serverDirectory("template-\(templates.count)")
            try initialise(directory, installation, arguments)
            templates[kind] = directory
            return directory
        }
        try CommandRunner.asServer.check("/bin/cp", ["-a", template + "/.", path])
    }

    private static func initialise(
        _ path: String,
        _ installation: PostgresInstallation,
        _ arguments: [String]
    ) throws {
        try CommandRunner.asServer.check(
            installation.program("initdb"),
            ["-D", path, "--no-sync"] + arguments
        )
    }

    private static func home() throws -> ScratchDirectory {
        try scratch.change { scratch in
            if let scratch { return scratch }
            let made = try ScratchDirectory()
            scratch = made
            atexit { InitializedData.remove() }
            return made
        }
    }

    private static func remove() {
        scratch.change { scratch in
            try? scratch?.close()
            scratch = nil
        }
    }
}
