package import Domain
package import Platform
import Vaulting

/// Where the parts of a copy lie: the data directory and, outside it, its tablespaces.
package struct RestoreLayout: Sendable {
    /// The data directory.
    let directory: String
    /// Directories of tablespaces outside the data directory, by oid.
    let tablespaces: [UInt32: String]
    /// Tablespaces within the data directory, whose own directories no backup holds.
    let inner: [UInt32]

    /// Lays out a copy of `point`; checks every directory, touching none.
    ///
    /// A tablespace never goes to its source path by itself, where the source's own may be.
    /// - Throws: `.targetDirectory`, `.usage` for an oid the point does not have.
    package init(_ point: RecoveryPoint, _ options: RestoreOptions) throws {
        directory = options.directory
        // A relative location is a tablespace inside the data directory: it has no place of its
        // own.
        let outside = point.tablespaces.filter { $0.path.hasPrefix("/") }
        inner = point.tablespaces.filter { !$0.path.hasPrefix("/") }.map(\.oid)
        if let unknown = options.tablespaces.keys.first(where: { oid in
            !outside.contains { $0.oid == oid }
        }) {
            let known = outside.map { "\($0.oid) (\($0.path))" }.joined(separator: ", ")
            throw PgkeepError(
                .usage,
                "this point has no tablespace \(unknown)",
                hint: known.isEmpty ? "it has none at all" : "it has: \(known)"
            )
        }
        tablespaces = Dictionary(
            uniqueKeysWithValues: outside.map { tablespace in
                let beside = "\(options.directory).tablespaces/\(tablespace.oid)"
                return (tablespace.oid, options.tablespaces[tablespace.oid] ?? beside)
            }
        )
        let places = [directory] + tablespaces.values
        guard Set(places).count == places.count else {
            throw PgkeepError(
                .usage,
                "two parts of the copy are to go to one directory",
                hint: "name a directory of its own for each tablespace: --tablespace OID=DIR"
            )
        }
        try RestoreTarget.check(directory, vault: options.vaultLocation)
        for (oid, path) in tablespaces where options.tablespaces[oid] != nil {
            try RestoreTarget.check(path, vault: options.vaultLocation)
        }
        for path in tablespaces.values where (try FileSystem.list(path) ?? []).count > 0 {
            throw PgkeepError(
                .targetDirectory,
                "the tablespace directory \(path) is not empty",
                hint: "empty it, or name another with --tablespace OID=DIR"
            )
        }
    }

    /// The place of a catalogued path. Paths come from the vault, which is authenticated, and were
    /// checked when they came from the server; they are checked again before anything is written.
    package func place(of path: [UInt8]) throws -> RawPath {
        let slash = UInt8(ascii: "/")
        let dot = UInt8(ascii: ".")
        let parts = path.split(separator: slash, omittingEmptySubsequences: false)
        guard !path.contains(0),
            parts.allSatisfy({ !$0.isEmpty && $0 != [dot] && $0 != [dot, dot] })
        else {
            throw PgkeepError(
                .integrity,
                "the point names the path \(String(decoding: path, as: UTF8.self)), which no"
                    + " server sends",
                hint: "run pgkeep vault check"
            )
        }
        guard parts.count > 2, parts[0] == ArraySlice("pg_tblspc".utf8),
            let oid = UInt32(String(decoding: parts[1], as: UTF8.self)),
            let target = tablespaces[oid]
        else { return RawPath(directory).appending(path) }
        return RawPath(target).appending(Array(parts[2...].joined(separator: [slash])))
    }

    /// Makes the directories the files go into, and the links to tablespaces.
    package func create(mode: UInt32, owner: UserAccount?) throws {
        for path in [directory] + tablespaces.values {
            try make(path, mode: mode, owner: owner)
            // One that was there keeps no wider permissions than a server starts with.
            try FileSystem.setMode(path, mode)
            try owner?.takeOwnership(of: path)
        }
    }

    /// Makes a directory and those above it that are missing, all of them the owner's.
    private func make(_ path: String, mode: UInt32, owner: UserAccount?) throws {
        guard try FileSystem.info(path, followLinks: true) == nil else { return }
        if let parent = FileSystem.parent(of: path), parent != path {
            try make(parent, mode: mode, owner: owner)
        }
        try FileSystem.makeDirectory(path, mode: mode)
        try owner?.takeOwnership(of: path)
    }

    /// Removes everything a failed restore has written. The directories were empty before, so all
    /// in them is ours; the directories themselves stay.
    func empty() {
        for path in [directory] + tablespaces.values {
            for name in (try? FileSystem.list(path)) ?? [] where name != "lost+found" {
                try? FileSystem.removeTree(path + "/" + name)
            }
        }
    }
}
