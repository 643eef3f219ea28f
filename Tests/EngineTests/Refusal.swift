import Domain
import Platform
import TestSupport
import Testing

/// Expects a run to fail as every failure should: its exit code, then one line saying what failed
/// and one saying what to do, and not a trace of a secret anywhere.
///
/// - Parameters:
///   - words: what the two lines must contain.
///   - secrets: what neither stream may contain.
func expectRefusal(
    _ result: CommandResult,
    _ exit: Domain.ExitStatus,
    _ words: [String],
    secrets: [String] = [],
    sourceLocation: SourceLocation = #_sourceLocation
) {
    let said = result.errors
    #expect(
        result.exitCode == exit.rawValue,
        "exit \(result.exitCode): \(said)",
        sourceLocation: sourceLocation
    )
    // Before the verdict, the log may have its lines, each a JSON document.
    let lines = said.split(separator: "\n").filter { !$0.hasPrefix("{") }
    #expect(lines.count == 2, "\(said)", sourceLocation: sourceLocation)
    #expect(lines.first?.hasPrefix("pgkeep: ") == true, "\(said)", sourceLocation: sourceLocation)
    #expect(lines.last?.hasPrefix("  → ") == true, "\(said)", sourceLocation: sourceLocation)
    for word in words {
        #expect(
            lines.contains { $0.contains(word) },
            "\"\(word)\" is not in: \(said)",
            sourceLocation: sourceLocation
        )
    }
    for secret in secrets {
        #expect(!said.contains(secret), sourceLocation: sourceLocation)
        #expect(!result.output.contains(secret), sourceLocation: sourceLocation)
    }
}

extension ProtectedServer {
    /// Runs pgkeep in vain; see `expectRefusal`. The vault's key counts as a secret.
    func refuses(
        _ arguments: [String],
        _ exit: Domain.ExitStatus,
        _ words: [String],
        _ variables: [String: String] = [:],
        secrets: [String] = [],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        expectRefusal(
            try pgkeep(arguments, variables),
            exit,
            words,
            secrets: try secrets + keySecrets(),
            sourceLocation: sourceLocation
        )
    }

    /// The parts of the key file that must never be seen.
    func keySecrets() throws -> [String] {
        String(decoding: try FileSystem.readFile(keyFile), as: UTF8.self)
            .split(whereSeparator: \.isWhitespace)
            .filter { $0.utf8.count >= 32 }.map(String.init)
    }

    /// Starts a backup slow enough to be disturbed, and waits until data flows.
    func startSlowBackup(_ rate: Int = 4096) throws -> RunningCommand {
        let backup = try startPgkeep(["backup", "create", Self.name, "--max-rate", "\(rate)"])
        try waitUntil("the backup sends data") {
            if let result = backup.result {
                throw PgkeepError(.unexpected, "the backup ended: \(result.errors)")
            }
            return try server.psql(
                "select count(*) from pg_stat_progress_basebackup where backup_streamed > 0"
            ) == "1"
        }
        return backup
    }

    /// Waits until the server has no session and no temporary slot of pgkeep's any more.
    func waitUntilForgotten() throws {
        try waitUntil("the server has forgotten pgkeep") {
            try server.psql(
                """
                select (select count(*) from pg_stat_activity where application_name ~ '^pgkeep')
                    + (select count(*) from pg_replication_slots where temporary)
                """
            ) == "0"
        }
    }

    /// What a directory holds: each path with its kind, size and content's checksum.
    static func contents(_ path: String) throws -> [String: String] {
        var found: [String: String] = [:]
        func visit(_ directory: String) throws {
            for name in try FileSystem.list(directory) ?? [] {
                let entry = directory + "/" + name
                guard let info = try FileSystem.info(entry) else { continue }
                var facts = "\(info.kind) \(info.mode) \(info.user) \(info.size)"
                if info.kind == .file {
                    let bytes = try FileSystem.readFile(entry)
                    facts += " \(bytes.withUnsafeBytes { CRC32C.of($0) })"
                }
                found[entry] = facts
                if info.kind == .directory { try visit(entry) }
            }
        }
        try visit(path)
        return found
    }
}

extension PostgresInstallation {
    /// The newest there is, for what does not depend on the version.
    static func newest() throws -> PostgresInstallation {
        try required(testedMajors.max() ?? 18)
    }
}

extension ProtectedServer {
    /// The paths of the vault's WAL objects, journals among them, in the order of their names.
    func walObjects() throws -> [String] {
        try Self.contents(vault).filter { path, facts in
            path.contains("/wal/") && facts.hasPrefix("file")
        }.keys.sorted()
    }
}
