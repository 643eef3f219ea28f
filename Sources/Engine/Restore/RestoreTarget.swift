import Domain
import Platform

/// The directories a restore may write to, checked before a byte is written.
///
/// Nothing here creates or removes anything: a refusal leaves the target as it was.
public enum RestoreTarget {
    /// Refuses a directory that holds anything, runs a server, or lies in a server's directories or
    /// in the vault.
    ///
    /// - Parameters:
    ///   - path: absolute path of the directory to be; it may be missing.
    ///   - vault: the vault's directory.
    /// - Throws: `.targetDirectory`.
    public static func check(_ path: String, vault: String) throws {
        do {
            try refuseInside(path, vault: vault)
            try refuseUsed(path)
        } catch let error as PgkeepError where error.code == .system {
            throw PgkeepError(
                .targetDirectory,
                "cannot look into \(path)",
                hint: error.hint,
                cause: error
            )
        }
    }

    /// Refuses a restore whose replay would make a tablespace in a directory that is in use here.
    ///
    /// Replay links such a tablespace to its place on the source's host, whatever the copy's own
    /// layout. On that host the copy would write into the source's files, and remove them.
    /// - Throws: `.targetDirectory`.
    static func check(_ created: [WALSummary.CreatedTablespace]) throws {
        for tablespace in created {
            var isFree = false
            // A directory nobody may look into is somebody's.
            if let names = try? FileSystem.list(tablespace.path) ?? [] { isFree = names.isEmpty }
            if isFree { continue }
            throw PgkeepError(
                .targetDirectory,
                "replay would make tablespace \(tablespace.oid) in \(tablespace.path), which is in"
                    + " use on this host",
                hint: "take a backup and restore from that one, restore to before"
                    + " \(tablespace.lsn), or restore on another host where that directory is"
                    + " empty"
            )
        }
    }

    private static func refuseUsed(_ path: String) throws {
        guard let found = try FileSystem.info(path, followLinks: true) else {
            guard let parent = FileSystem.parent(of: path),
                try FileSystem.info(parent, followLinks: true)?.kind == .directory
            else {
                throw PgkeepError(
                    .targetDirectory,
                    "the directory above \(path) does not exist",
                    hint: "create it first, owned by the user the server will run as"
                )
            }
            return
        }
        guard found.kind == .directory else {
            throw PgkeepError(
                .targetDirectory,
                "\(path) is not a directory",
                hint: "choose a directory that is empty or does not exist"
            )
        }
        let names = try FileSystem.list(path) ?? []
        if names.contains("postmaster.pid") {
            throw PgkeepError(
                .targetDirectory,
                "\(path) is the data directory of a server (postmaster.pid)",
                hint: "a restore never overwrites; choose another, empty directory"
            )
        }
        // A fresh file system has its lost+found; anything else belongs to somebody.
        let foreign = names.filter { $0 != "lost+found" }
        guard foreign.isEmpty else {
            guard try !isUnfinished(path, foreign) else {
                throw PgkeepError(
                    .targetDirectory,
                    "\(path) holds what an unfinished restore left: no server starts from it",
                    hint: "if none is at work on it, remove it and run the command again, or choose"
                        + " another directory"
                )
            }
            throw PgkeepError(
                .targetDirectory,
                "\(path) is not empty (it holds \(foreign.prefix(3).joined(separator: ", ")))",
                hint: "choose a directory that is empty or does not exist"
            )
        }
    }

    /// True for a data directory without its control file, which a restore writes last.
    private static func isUnfinished(_ path: String, _ names: [String]) throws -> Bool {
        guard names.contains("base"), names.contains("global") else { return false }
        return try FileSystem.info(path + "/global/pg_control", followLinks: true) == nil
    }

    /// Refuses a target inside any server's data directory or tablespace, the source's own above
    /// all, and inside the vault. The control file tells a data directory, whoever may read it and
    /// whether its server runs or not; a link to it does not hide it.
    private static func refuseInside(_ path: String, vault: String) throws {
        let vault = FileSystem.resolved(vault)
        var ancestor = try existingAncestor(of: path)
        while let directory = ancestor {
            if let holder = try holder(directory, vault: vault) {
                throw PgkeepError(
                    .targetDirectory,
                    "\(path) lies inside \(holder) \(directory)",
                    hint: "choose a directory outside it; a restore never touches a server's files"
                        + " or the vault's"
                )
            }
            let parent = FileSystem.parent(of: directory)
            ancestor = parent == directory ? nil : parent
        }
    }

    /// The nearest directory above `path` that is there, without links.
    private static func existingAncestor(of path: String) throws -> String? {
        if let real = FileSystem.resolved(path) { return FileSystem.parent(of: real) }
        var ancestor = FileSystem.parent(of: path)
        while let directory = ancestor {
            if let real = FileSystem.resolved(directory) { return real }
            ancestor = directory == "/" ? nil : FileSystem.parent(of: directory)
        }
        return nil
    }

    /// What a directory is in words, when nothing may be written into it.
    private static func holder(_ directory: String, vault: String?) throws -> String? {
        if directory == vault { return "the vault" }
        if try FileSystem.info(directory + "/global/pg_control", followLinks: true) != nil {
            return "the data directory"
        }
        // A directory that cannot be listed has nothing to tell; it cannot be written to either.
        let names = (try? FileSystem.list(directory)) ?? []
        return names.contains(where: isTablespaceVersion) ? "the tablespace" : nil
    }

    /// True for `PG_18_202506291`, which a server makes in each tablespace directory.
    private static func isTablespaceVersion(_ name: String) -> Bool {
        let parts = name.split(separator: "_", omittingEmptySubsequences: false)
        return parts.count == 3 && parts[0] == "PG" && Int(parts[1]) != nil && Int(parts[2]) != nil
    }
}
