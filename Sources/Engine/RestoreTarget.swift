import Domain
import Platform

/// The directories a restore may write to, checked before a byte is written.
///
/// Nothing here creates or removes anything: a refusal leaves the target as it was.
public enum RestoreTarget {
    /// Refuses a directory that holds anything, runs a server, or touches the source's data.
    ///
    /// - Parameters:
    ///   - path: absolute path of the directory to be; it may be missing.
    ///   - sourceDirectory: the source's data directory as its server names it, when known. It is
    ///     compared by identity, so a link or another mount of the same directory is found too.
    /// - Throws: `.targetDirectory`.
    public static func check(_ path: String, sourceDirectory: String?) throws {
        if let sourceDirectory { try refuseOverlap(path, with: sourceDirectory) }
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

    /// Refuses a target equal to, inside or around the source's data directory.
    private static func refuseOverlap(_ path: String, with source: String) throws {
        guard let sourceInfo = try FileSystem.info(source, followLinks: true) else { return }
        let refusal = PgkeepError(
            .targetDirectory,
            "\(path) lies inside the source's own data directory \(source)",
            hint: "choose a directory outside it; a restore never touches the source"
        )
        var ancestor: String? = path
        while let directory = ancestor {
            if try FileSystem.info(directory, followLinks: true)?.identity == sourceInfo.identity {
                throw refusal
            }
            let parent = FileSystem.parent(of: directory)
            ancestor = parent == directory ? nil : parent
        }
    }
}
