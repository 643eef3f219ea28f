import Platform
import TestSupport

/// PostgreSQL's own chain of backups of a server, the judge of ours: one in full, then increments,
/// each of which `pg_combinebackup` makes whole again.
final class CombinedChain {
    private let server: PostgresServer
    private let scratch: ScratchDirectory
    private var links: [String] = []
    /// Tablespaces, by their directory on the server: the directory of the last link.
    private var places: [String: String] = [:]

    init(_ server: PostgresServer, _ scratch: ScratchDirectory) {
        self.server = server
        self.scratch = scratch
    }

    /// Takes the next backup of the chain.
    func add() throws {
        let directory = try scratch.unusedServerDirectory("link")
        let last = links.last.map { ["--incremental", $0 + "/backup_manifest"] } ?? []
        places = [:]
        for place in try server.tablespacePlaces() {
            places[place] = try scratch.unusedServerDirectory("space")
        }
        try server.check(
            "pg_basebackup",
            ["-D", directory, "-d", server.conninfo, "-X", "none", "-c", "fast", "--no-sync"]
                + last + places.flatMap { ["-T", "\($0.key)=\($0.value)"] }
        )
        links.append(directory)
    }

    /// The last backup in full, as PostgreSQL restores it.
    func combined() throws -> FileTree {
        guard links.count > 1 else { return try FileTree(links[0]) }
        let directory = try scratch.unusedServerDirectory("combined")
        let mapped = try places.values.map {
            ($0, try scratch.unusedServerDirectory("combined-space"))
        }
        try server.check(
            "pg_combinebackup",
            links + ["-o", directory, "--no-sync"] + mapped.flatMap { ["-T", "\($0.0)=\($0.1)"] }
        )
        let tree = try FileTree(directory)
        for path in [directory] + mapped.map(\.1) { try FileSystem.removeTree(path) }
        return tree
    }
}

/// The files of a data directory and their digests, tablespaces included.
struct FileTree {
    /// SHA-256 by path.
    let digests: [String: String]

    /// Reads the tree; what lies in `pg_wal` is not looked at.
    init(_ directory: String) throws {
        let script = #"""
            cd "$1"; find -L . -type f ! -path './pg_wal/*' -print0 | sort -z | xargs -0 sha256sum
            """#
        let lines = try CommandRunner.asServer.check("/bin/sh", ["-ec", script, "sh", directory])
        digests = Dictionary(
            uniqueKeysWithValues: lines.split(separator: "\n").map { line in
                (String(line.dropFirst(68)), String(line.prefix(64)))
            }
        )
    }

    /// What every copy has its own of.
    private static let own: Set<String> = [
        "backup_label", "backup_manifest", "tablespace_map", "global/pg_control",
        "postgresql.auto.conf", "postgresql.conf", "recovery.signal", "pgkeep-wal.key",
    ]

    /// Paths that are missing in one of two trees, or of other content.
    func differences(from other: FileTree) -> [String] {
        Set(digests.keys).union(other.digests.keys).subtracting(Self.own)
            .filter { digests[$0] != other.digests[$0] }.sorted()
    }
}

extension ScratchDirectory {
    /// A new directory of the servers' user: only root may make one in here.
    func unusedServerDirectory(_ name: String) throws -> String {
        let path = unusedPath(name)
        try FileSystem.makeDirectories(path)
        try ServerUser.own(path)
        return path
    }
}

extension PostgresServer {
    /// The directories of the tablespaces outside the data directory.
    func tablespacePlaces() throws -> [String] {
        try psql("select pg_tablespace_location(oid) from pg_tablespace where oid >= 16384")
            .split(separator: "\n").map(String.init)
    }
}
