import Domain
import Platform
import Vaulting

/// The directory of one drill: the copy, its socket, its way in, and a note of whose it is.
///
/// `<place>/pgkeep-drill-<12 digits>/`, open to its owner alone. Whoever finds one whose process is
/// gone may take it away: the guard that watches each drill does, or else the next drill on this
/// host.
package struct DrillScratch: Sendable {
    /// The directory.
    package let directory: String

    private static let prefix = "pgkeep-drill-"
    /// What may run in a copy's data directory.
    private static let programs: Set<String> = [
        "postgres", "pg_ctl", "pg_verifybackup", "pg_waldump", "pg_amcheck",
    ]
    /// Seconds a server gets to end before it is killed, and to be gone then.
    private static let patienceSeconds = (quit: 20.0, kill: 60.0)

    /// The copy's data directory.
    package var data: String { directory + "/data" }
    /// The copy's pg_hba.conf: lets in whoever can reach the socket, which is its owner alone.
    var hostAccess: String { directory + "/pg_hba.conf" }
    private var note: String { directory + "/process" }

    /// Makes the directory of the drill `id`. Durable is nothing of it.
    ///
    /// Throws `.usage` when it would lie too deep for a socket, `.targetDirectory` when it cannot
    /// be made.
    init(in place: String, _ id: JobID, owner: UserAccount?) throws {
        directory = "\(place)/\(Self.prefix)\(id.description.suffix(12))"
        // A socket's path has room for 107 bytes.
        guard directory.utf8.count + "/.s.PGSQL.5432.lock".utf8.count <= 107 else {
            throw PgkeepError(
                .usage,
                "\(place) lies too deep for the socket of a server",
                hint: "name a directory with a shorter path with --to-dir"
            )
        }
        guard try FileSystem.info(place, followLinks: true)?.kind == .directory else {
            throw PgkeepError(
                .targetDirectory,
                "there is no directory \(place)",
                hint: "create it, or name another with --to-dir"
            )
        }
        do {
            try FileSystem.makeDirectory(directory)
            try FileSystem.writeAtomically(note, Array(Self.text(.current()).utf8))
            let access = "local all all trust\nlocal replication all reject\n"
            try FileSystem.writeAtomically(hostAccess, Array(access.utf8))
            for path in [directory, hostAccess] { try owner?.takeOwnership(of: path) }
        } catch let error as PgkeepError {
            try? FileSystem.removeTree(directory)
            throw PgkeepError(
                .targetDirectory,
                "cannot make a directory in \(place)",
                hint: "name a directory that can be written to with --to-dir",
                cause: error
            )
        }
    }

    /// A drill's directory that is there already.
    package init(found directory: String) { self.directory = directory }

    /// Ends whatever runs in the copy, and removes the directory with all in it.
    ///
    /// Throws `.unexpected` for a process that does not end, `.system` for files that stay.
    package func remove() throws {
        let token = CancellationToken()
        var waited = 0.0
        while true {
            let running = DirectoryProcesses.find(in: data, programs: Self.programs)
            if running.isEmpty { break }
            let ending: DirectoryProcesses.Ending =
                waited < Self.patienceSeconds.quit ? .quit : .kill
            for process in running { DirectoryProcesses.end(process, by: ending) }
            guard waited < Self.patienceSeconds.kill else {
                throw PgkeepError(
                    .unexpected,
                    "process \(running[0]) of the copy in \(directory) does not end",
                    hint: "end it, and remove that directory"
                )
            }
            _ = token.sleep(seconds: 0.1)
            waited += 0.1
        }
        do {
            try FileSystem.removeTree(directory)
        } catch {
            // Another one may be at the same, or a dying process has made one more file.
            _ = token.sleep(seconds: 0.5)
            try FileSystem.removeTree(directory)
        }
    }

    /// True when the process whose directory this is has certainly ended.
    package var isForsaken: Bool {
        guard let bytes = try? FileSystem.readFile(note, limit: 4096),
            let process = Self.process(String(decoding: bytes, as: UTF8.self))
        else { return false }
        let own = ProcessIdentity.current()
        if let ended = process.hasEnded(seenFrom: own) { return ended }
        return process.host == own.host && !process.boot.isEmpty && process.boot != own.boot
    }

    /// True while the directory is there.
    package var exists: Bool { ((try? FileSystem.info(directory)) ?? nil) != nil }

    /// Takes away what drills that were cut off have left in `place`.
    static func sweep(_ place: String) {
        for name in (try? FileSystem.list(place)) ?? [] where name.hasPrefix(prefix) {
            let found = DrillScratch(found: "\(place)/\(name)")
            if found.isForsaken { try? found.remove() }
        }
    }

    // MARK: The note

    private static func text(_ process: ProcessIdentity) -> String {
        [
            process.host, process.boot, process.namespace, String(process.process),
            String(process.ticks),
        ].joined(separator: "\n")
    }

    private static func process(_ text: String) -> ProcessIdentity? {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard lines.count == 5, let number = Int32(lines[3]), let ticks = UInt64(lines[4]) else {
            return nil
        }
        return ProcessIdentity(
            host: lines[0],
            boot: lines[1],
            namespace: lines[2],
            process: number,
            ticks: ticks
        )
    }
}
