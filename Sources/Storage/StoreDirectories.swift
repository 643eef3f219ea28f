internal import Domain
internal import Glibc
internal import Platform

/// The directories of a file store: knows that the root is still the root, and hands out
/// directories whose own existence is durable.
///
/// A file is durable only when every directory above it is. `directory(for:)` creates what is
/// missing and syncs each new entry into its parent, also when another process made it but may not
/// have synced it yet. What is known durable is remembered by an open descriptor, not by name: when
/// a directory is removed and made again, the descriptor says so (no links are left), and the work
/// is done anew.
final class StoreDirectories: Sendable {
    /// The absolute path of the root.
    let root: String
    private let identity: [UInt64]
    private let known = Condition<[String: File]>([:])

    private static let knownMax = 128

    /// Opens the existing, non-empty directory `path`.
    init(_ path: String) throws {
        root = FileSystem.absolute(path)
        guard let information = try FileSystem.info(root, followLinks: true),
            information.kind == .directory
        else { throw Self.missing(root) }
        // A file system that is not mounted leaves an empty directory where the vault should be.
        guard let names = try FileSystem.list(root), !names.isEmpty else {
            throw PgkeepError(
                .storeUnreachable,
                "vault directory \(root) is empty",
                hint: "mount the file system the vault is on, or run pgkeep vault init"
            )
        }
        identity = information.identity
    }

    /// Throws `.storeUnreachable` unless the root is there and the same as at the beginning.
    func check() throws(PgkeepError) {
        guard let information = try FileSystem.info(root, followLinks: true) else {
            throw Self.missing(root)
        }
        guard information.identity == identity else {
            throw PgkeepError(
                .storeUnreachable,
                "vault directory \(root) is another one than before",
                hint: "see whether its file system was unmounted, then run the command again"
            )
        }
    }

    /// Runs `body`; failed system calls become `.storeUnreachable`, or what `check` says when the
    /// root itself has gone.
    func reaching<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as PgkeepError where error.code == .system {
            try check()
            var outer = error
            outer.code = .storeUnreachable
            if outer.hint.isEmpty { outer.hint = "see what is wrong with the storage at \(root)" }
            throw outer
        }
    }

    /// The path of an object.
    func path(_ name: ObjectName) -> String { root + "/" + name.text }

    /// The directory an object lies in, durably there; created when missing.
    func directory(for name: ObjectName) throws -> File {
        guard let slash = name.text.utf8.lastIndex(of: UInt8(ascii: "/")) else {
            return try prepared("")
        }
        return try prepared(String(name.text[..<slash]))
    }

    /// Runs `body` with the directory of `name`, again with a fresh one when somebody removed the
    /// directory, found empty, in between.
    func inDirectory<Result>(
        of name: ObjectName,
        _ body: (File, String) throws -> Result
    ) throws -> Result {
        var attempts = 8
        while true {
            do {
                return try body(try directory(for: name), String(name.lastSegment))
            } catch let error as PgkeepError where error.systemNumber == ENOENT && attempts > 0 {
                attempts -= 1
                known.change { $0.removeAll() }
                try check()
            }
        }
    }

    /// Makes a removal durable: syncs the directory of `name`, or, when others have removed that as
    /// empty, the nearest one above, whose entry for it is what is gone.
    func syncNearest(above name: ObjectName) throws {
        var path = path(name)
        while let parent = FileSystem.parent(of: path), parent.utf8.count >= root.utf8.count {
            do throws(PgkeepError) {
                let folder = try File(parent, .directory)
                try Self.sync(folder)
                if Self.isAlive(folder) { return }
            } catch {
                guard error.systemNumber == ENOENT else { throw error }
            }
            path = parent
        }
        try check()
    }

    /// Removes the directory of a deleted object and those above it as far as they are empty.
    func removeEmpty(above name: ObjectName) {
        var relative = name.text
        while let slash = relative.utf8.lastIndex(of: UInt8(ascii: "/")) {
            relative = String(relative[..<slash])
            guard rmdir(root + "/" + relative) == 0 else { return }
            known.change { $0[relative] = nil }
        }
    }

    private func prepared(_ relative: String) throws -> File {
        if let file = known.read({ $0[relative] }), Self.isAlive(file) { return file }
        let file: File
        if relative.isEmpty {
            try check()
            file = try File(root, .directory)
        } else {
            var parent = ""
            if let slash = relative.utf8.lastIndex(of: UInt8(ascii: "/")) {
                parent = String(relative[..<slash])
            }
            let above = try prepared(parent)
            try FileSystem.makeDirectory(root + "/" + relative)
            file = try File(root + "/" + relative, .directory)
            try Self.sync(above)
        }
        known.change { known in
            if known.count >= Self.knownMax { known.removeAll() }
            known[relative] = file
        }
        return file
    }

    /// Makes the entries of a directory durable. Some file systems cannot sync directories and say
    /// so with EINVAL or EBADF; PostgreSQL lives with that too.
    static func sync(_ directory: File) throws(PgkeepError) {
        do throws(PgkeepError) {
            try directory.sync()
        } catch {
            guard error.systemNumber == EINVAL || error.systemNumber == EBADF else { throw error }
        }
    }

    private static func isAlive(_ directory: File) -> Bool {
        var information = stat()
        return fstat(directory.descriptor, &information) == 0 && information.st_nlink > 0
    }

    private static func missing(_ root: String) -> PgkeepError {
        PgkeepError(
            .storeUnreachable,
            "vault directory \(root) is not there",
            hint: "mount the file system it is on, correct --vault, or run pgkeep vault init"
        )
    }
}
