import Domain
import Platform

/// The directories a restore may write to, checked before a byte is written.
///
/// Nothing here creates or removes anything: a refusal leaves the target as it was.
public enum RestoreTarget {
    /// Refuses a directory that holds anything, runs a server, or lies in one's data directory.
    ///
    /// - Parameter path: absolute path of the directory to be; it may be missing.
    /// - Throws: `.targetDirectory`.
    public static func check(_ path: String) throws {
        try refuseInsideDataDirectory(path)
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
            throw PgkeepError(
                .targetDirectory,
                "\(path) is not empty (it holds \(foreign.prefix(3).joined(separator: ", ")))",
                hint: "choose a directory that is empty or does not exist"
            )
        }
    }

    /// Refuses a target inside any server's data directory: the source's own, above all. The
    /// control file tells such a directory, whoever may read it and whether its server runs or not.
    private static func refuseInsideDataDirectory(_ path: String) throws {
        var ancestor = FileSystem.parent(of: path)
        while let directory = ancestor {
            let control = directory + "/global/pg_control"
            if try FileSystem.info(control, followLinks: true) != nil {
                throw PgkeepError(
                    .targetDirectory,
                    "\(path) lies inside the data directory \(directory)",
                    hint: "choose a directory outside it; a restore never touches a server's files"
                )
            }
            let parent = FileSystem.parent(of: directory)
            ancestor = parent == directory ? nil : parent
        }
    }
}
