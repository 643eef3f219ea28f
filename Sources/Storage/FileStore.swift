public import Domain
internal import Glibc
internal import Platform

/// A store in a directory: one file for each object, directories 0700, files 0600.
///
/// New bytes are written to `tmp/` under a random name, synced, and then linked (or renamed) to
/// their name; the directory is synced before the call returns. link(2) refuses an existing name,
/// so of several writers on any number of hosts one wins; where a file system has no links,
/// renameat2(RENAME_NOREPLACE) does the same. `reserve` is 16 MiB that is given up when the disk is
/// full, so that deleting works even where removing a file needs space.
public final class FileStore: ObjectStore {
    /// The size of the reserve file.
    public static let reserveBytes = 16 << 20

    private static let temporary = "tmp"
    private static let reserve = "reserve"

    let directories: StoreDirectories

    /// Opens the store in the directory `path`.
    ///
    /// Throws `.storeUnreachable` when it is missing or empty: a file system that is not mounted
    /// must not be taken for a new vault.
    public init(_ path: String) throws {
        directories = try StoreDirectories(path)
    }

    /// Makes a store in `path`, which is missing or empty; durable on return.
    ///
    /// Throws `.exists` when the directory holds anything, `.storeFull` when there is no room for
    /// the reserve.
    public static func create(at path: String) throws -> FileStore {
        let root = FileSystem.absolute(path)
        try makeDurably(root)
        let own: Set = [temporary, reserve, "lost+found"]
        guard let names = try FileSystem.list(root), own.isSuperset(of: names) else {
            throw PgkeepError(
                .exists,
                "vault directory \(root) is not an empty directory",
                hint: "choose an empty one, or use the vault that is there"
            )
        }
        try FileSystem.makeDirectory(root + "/" + temporary)
        guard try takeReserve(root) else {
            throw PgkeepError(
                .storeFull,
                "\(root) has no room for \(reserveBytes >> 20) MiB",
                hint: "choose a file system with free space"
            )
        }
        return try FileStore(root)
    }

    /// The absolute path of the root.
    public var location: String { directories.root }

    /// Creates or replaces an object: temporary file, fsync, rename, fsync of the directory.
    public func put(_ name: ObjectName, _ bytes: [UInt8]) throws {
        let writer = try hiddenWriter(name)
        try bytes.withUnsafeBytes { try writer.append($0) }
        try writer.replace(name)
    }

    /// Creates an object unless the name is taken: temporary file, fsync, link, fsync of the
    /// directory (also when the name is taken, so that what took it is durable).
    public func putIfAbsent(_ name: ObjectName, _ bytes: [UInt8]) throws -> Bool {
        let writer = try hiddenWriter(name)
        try bytes.withUnsafeBytes { try writer.append($0) }
        return try writer.publish(as: name)
    }

    /// All bytes of an object.
    public func get(_ name: ObjectName) throws -> [UInt8] {
        try reaching {
            let file = try open(name)
            let size = Int(try file.size())
            return try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
                count = try file.read(into: UnsafeMutableRawBufferPointer(buffer), at: 0)
            }
        }
    }

    /// Fills `output` with a part of an object.
    public func get(
        _ name: ObjectName,
        range: Range<UInt64>,
        into output: UnsafeMutableRawBufferPointer
    ) throws {
        precondition(range.count == output.count)
        let count = try reaching { try open(name).read(into: output, at: range.lowerBound) }
        guard count == output.count else {
            let end = range.lowerBound + UInt64(count)
            throw PgkeepError(
                .integrity,
                "object \(name) ends at byte \(end), before \(range.upperBound)",
                hint: "run pgkeep vault check to see what is affected"
            )
        }
    }

    /// The facts about an object, or nil when it is certainly absent.
    public func head(_ name: ObjectName) throws -> ObjectInfo? {
        try reaching {
            guard let found = try FileSystem.info(directories.path(name)), found.kind == .file
            else {
                try directories.check()
                return nil
            }
            return ObjectInfo(name: name, size: found.size, modified: found.modified)
        }
    }

    /// All objects whose names begin with `prefix`. Files that are no objects are passed over.
    public func list(prefix: String) throws -> [ObjectInfo] {
        try reaching {
            var start = ""
            if let slash = prefix.utf8.lastIndex(of: UInt8(ascii: "/")) {
                start = String(prefix[..<slash])
                guard ObjectName(validating: start) != nil else { return [] }
            }
            var found: [ObjectInfo] = []
            try directories.check()
            try collect(start, prefix, &found)
            // A root that went away meanwhile looks like an empty directory; ask once more.
            try directories.check()
            return found.sorted { $0.name < $1.name }
        }
    }

    /// Removes an object, durably. On a full disk the reserve is given up first.
    public func delete(_ name: ObjectName) throws {
        try reaching {
            do {
                try remove(name)
            } catch let error as PgkeepError where error.code == .storeFull {
                guard try releaseReserve() else { throw error }
                try remove(name)
            }
        }
    }

    /// Begins an object that is written in pieces.
    public func create(_ name: ObjectName, visible: Bool) throws -> any ObjectWriter {
        guard visible else { return try hiddenWriter(name) }
        return try reaching {
            let path = directories.path(name)
            let file = try directories.inDirectory(of: name) { _, _ in
                do throws(PgkeepError) {
                    return try File(path, .create(0o600))
                } catch {
                    guard error.systemNumber == EEXIST else { throw error }
                    throw PgkeepError(
                        .exists,
                        "object \(name) exists already",
                        hint: "see whether another pgkeep process is writing it"
                    )
                }
            }
            return FileObjectWriter(file, in: directories, visibleAs: name)
        }
    }

    /// The room of the file system.
    public func space() throws -> StoreSpace? {
        try reaching {
            try directories.check()
            let (free, total) = try FileSystem.space(location)
            return StoreSpace(freeBytes: free, totalBytes: total)
        }
    }

    /// Removes the reserve file.
    public func releaseReserve() throws -> Bool {
        try reaching {
            try directories.check()
            return try FileSystem.removeFile(location + "/" + Self.reserve)
        }
    }

    /// Writes the reserve file when it is missing and there is room for twice its size.
    public func restoreReserve() throws {
        try reaching {
            try directories.check()
            let present = try FileSystem.info(location + "/" + Self.reserve)?.size ?? 0
            guard present < UInt64(Self.reserveBytes) else { return }
            let (free, _) = try FileSystem.space(location)
            guard free > 2 * UInt64(Self.reserveBytes) else { return }
            _ = try Self.takeReserve(location)
        }
    }

    /// Removes files of `tmp/` last written before `moment` that no living writer holds locked.
    public func removeLeftovers(before moment: Timestamp) throws -> Int {
        try reaching {
            try directories.check()
            let folder = location + "/" + Self.temporary
            var removed = 0
            for name in try FileSystem.list(folder) ?? [] {
                let path = folder + "/" + name
                guard let information = try FileSystem.info(path), information.kind == .file,
                    information.modified < moment, let file = try? File(path, .update),
                    try file.tryLock()
                else { continue }
                if try FileSystem.removeFile(path) { removed += 1 }
            }
            return removed
        }
    }
}

// MARK: - Files

extension FileStore {
    private func open(_ name: ObjectName) throws -> File {
        do throws(PgkeepError) {
            return try File(directories.path(name), .read)
        } catch {
            guard error.systemNumber == ENOENT || error.systemNumber == ENOTDIR else { throw error }
            try directories.check()
            throw PgkeepError(
                .notFound,
                "object \(name) is not in \(location)",
                hint: "run pgkeep vault check to see what is affected"
            )
        }
    }

    private func hiddenWriter(_ name: ObjectName) throws -> FileObjectWriter {
        try reaching {
            let folder = location + "/" + Self.temporary
            let number = UInt64.random(in: 0...UInt64.max)
            let path = "\(folder)/\(getpid())-\(String(number, radix: 16))"
            let file: File
            do throws(PgkeepError) {
                file = try File(path, .create(0o600))
            } catch {
                guard error.systemNumber == ENOENT else { throw error }
                // The root is checked first: it is never made again, only what is missing in it.
                try directories.check()
                try FileSystem.makeDirectory(folder)
                file = try File(path, .create(0o600))
            }
            // The lock tells removeLeftovers that the writer lives; where locks are not to be had,
            // the age of the file must do.
            _ = try? file.tryLock()
            return FileObjectWriter(file, in: directories, visibleAs: nil)
        }
    }

    private func collect(_ folder: String, _ prefix: String, _ found: inout [ObjectInfo]) throws {
        let path = folder.isEmpty ? location : location + "/" + folder
        for entry in try FileSystem.list(path) ?? [] {
            let text = folder.isEmpty ? entry : folder + "/" + entry
            guard let name = ObjectName(validating: text),
                text.utf8.starts(with: prefix.utf8) || prefix.utf8.starts(with: (text + "/").utf8),
                let information = try FileSystem.info(location + "/" + text)
            else { continue }
            switch information.kind {
            case .directory: try collect(text, prefix, &found)
            case .file where text.utf8.starts(with: prefix.utf8):
                found.append(
                    ObjectInfo(
                        name: name,
                        size: information.size,
                        modified: information.modified
                    )
                )
            default: break
            }
        }
    }

    private func remove(_ name: ObjectName) throws {
        do throws(PgkeepError) {
            guard try FileSystem.removeFile(directories.path(name)) else {
                return try directories.check()
            }
        } catch {
            // A parent of the name is an object itself: nothing can be there.
            guard error.systemNumber == ENOTDIR else { throw error }
            return
        }
        try directories.syncNearest(above: name)
        directories.removeEmpty(above: name)
    }

    private func reaching<Result>(_ body: () throws -> Result) throws -> Result {
        try directories.reaching(body)
    }

    private static func makeDurably(_ path: String) throws {
        guard try FileSystem.info(path, followLinks: true) == nil else { return }
        guard let parent = FileSystem.parent(of: path), parent != path else { return }
        try makeDurably(parent)
        try FileSystem.makeDirectory(path)
        try StoreDirectories.sync(try File(parent, .directory))
    }

    /// Writes the reserve durably; false when there is no room.
    private static func takeReserve(_ root: String) throws -> Bool {
        let path = root + "/" + reserve
        let file = try File(path, .replace(0o600))
        var result: Int32
        repeat {
            result = posix_fallocate(file.descriptor, 0, reserveBytes)
        } while result == EINTR
        guard result == 0 else {
            try FileSystem.removeFile(path)
            guard result == ENOSPC || result == EDQUOT else {
                throw PgkeepError.system("allocate", path, errno: result, code: .storeUnreachable)
            }
            return false
        }
        try file.sync()
        try StoreDirectories.sync(try File(root, .directory))
        return true
    }
}
