internal import CPlatform
public import Domain
internal import Glibc

/// What a path leads to.
public struct FileInfo: Sendable {
    /// The kinds the program cares about.
    public enum Kind: Sendable { case file, directory, link, other }
    /// What it is (links are not followed).
    public var kind: Kind
    /// The length in bytes.
    public var size: UInt64
    /// Permission bits.
    public var mode: UInt32
    /// The owner.
    public var user: UInt32
    /// Last change of the content.
    public var modified: Timestamp
    /// Device and inode: equal for two paths exactly when they are the same thing.
    public var identity: [UInt64]
}

/// Paths, directories and whole small files: the calls that name files instead of holding them.
public enum FileSystem {
    /// What `path` is, or nil when nothing is there. Links are not followed unless asked.
    public static func info(
        _ path: String,
        followLinks: Bool = false
    ) throws(PgkeepError) -> FileInfo? {
        var information = stat()
        let result = followLinks ? stat(path, &information) : lstat(path, &information)
        guard result == 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw .system("stat", path)
        }
        let kind: FileInfo.Kind =
            switch information.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .directory
            case S_IFLNK: .link
            default: .other
            }
        let modified = Timestamp(
            microseconds: Int64(information.st_mtim.tv_sec) * 1_000_000
                + Int64(information.st_mtim.tv_nsec) / 1000
        )
        return FileInfo(
            kind: kind,
            size: UInt64(information.st_size),
            mode: information.st_mode & 0o7777,
            user: information.st_uid,
            modified: modified,
            identity: [UInt64(information.st_dev), UInt64(information.st_ino)]
        )
    }

    /// The names in a directory, sorted, without `.` and `..`; nil when it does not exist.
    public static func list(_ path: String) throws(PgkeepError) -> [String]? {
        try listRaw(RawPath(path))?.map { String(decoding: $0, as: UTF8.self) }.sorted()
    }

    /// The names as they are, in no order.
    private static func listRaw(_ path: RawPath) throws(PgkeepError) -> [[UInt8]]? {
        guard let directory = path.withCString({ opendir($0) }) else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw .system("open directory", path.text)
        }
        defer { closedir(directory) }
        var names: [[UInt8]] = []
        while true {
            errno = 0
            guard let entry = readdir(directory) else {
                guard errno == 0 else { throw .system("read directory", path.text) }
                return names
            }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name != [46], name != [46, 46] { names.append(name) }
        }
    }

    /// Creates one directory; an existing one is left alone.
    public static func makeDirectory(_ path: String, mode: UInt32 = 0o700) throws(PgkeepError) {
        try makeDirectory(RawPath(path), mode: mode)
    }

    /// Creates one directory; an existing one is left alone.
    public static func makeDirectory(_ path: RawPath, mode: UInt32) throws(PgkeepError) {
        guard path.withCString({ mkdir($0, mode) }) == 0 || errno == EEXIST else {
            throw .system("create directory", path.text)
        }
    }

    /// Creates a directory with all its parents; existing ones are left alone.
    public static func makeDirectories(_ path: String, mode: UInt32 = 0o700) throws(PgkeepError) {
        if mkdir(path, mode) == 0 || errno == EEXIST { return }
        guard errno == ENOENT, let parent = parent(of: path), parent != path else {
            throw .system("create directory", path)
        }
        try makeDirectories(parent, mode: mode)
        try makeDirectory(path, mode: mode)
    }

    /// Sets the permission bits of a file or directory.
    public static func setMode(_ path: String, _ mode: UInt32) throws(PgkeepError) {
        guard chmod(path, mode) == 0 else { throw .system("change the permissions of", path) }
    }

    /// The directory part of a path: nil for a bare name.
    public static func parent(of path: String) -> String? {
        guard let slash = path.lastIndex(of: "/") else { return nil }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The path made absolute against the working directory, with `.` and `..` left alone.
    public static func absolute(_ path: String) -> String {
        guard !path.hasPrefix("/"), let directory = getcwd(nil, 0) else { return path }
        defer { free(directory) }
        return String(cString: directory) + "/" + path
    }

    /// The path with all links resolved, or nil when it does not exist.
    public static func resolved(_ path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return String(cString: real)
    }

    /// Makes a symbolic link; an empty directory in its place gives way.
    public static func makeLink(_ path: String, to target: String) throws(PgkeepError) {
        if try info(path)?.kind == .directory, rmdir(path) != 0 {
            throw .system("replace the directory", path)
        }
        guard symlink(target, path) == 0 else { throw .system("link", path) }
    }

    /// Removes a file; a missing one is no error. Returns whether it was there.
    @discardableResult
    public static func removeFile(_ path: String) throws(PgkeepError) -> Bool {
        if unlink(path) == 0 { return true }
        guard errno == ENOENT else { throw .system("remove", path) }
        return false
    }

    /// Removes a directory with all it holds, not following links; a missing one is no error.
    public static func removeTree(_ path: String) throws(PgkeepError) {
        try removeTree(RawPath(path))
    }

    /// By its raw path: not every name in a data directory is text.
    private static func removeTree(_ path: RawPath) throws(PgkeepError) {
        if path.withCString({ unlink($0) }) == 0 || errno == ENOENT || errno == ENOTDIR { return }
        // Linux says EISDIR of a directory, POSIX EPERM.
        guard errno == EISDIR || errno == EPERM else { throw .system("remove", path.text) }
        for name in try listRaw(path) ?? [] { try removeTree(path.appending(name)) }
        guard path.withCString({ rmdir($0) }) == 0 || errno == ENOENT else {
            throw .system("remove", path.text)
        }
    }

    /// Renames, replacing `to`. Durable only after the directory is synced.
    public static func rename(_ from: String, to target: String) throws(PgkeepError) {
        guard Glibc.rename(from, target) == 0 else { throw .system("rename", from) }
    }

    /// Renames unless `target` exists: false then. Fails with EINVAL where the file system cannot.
    public static func renameExclusively(
        _ from: String,
        to target: String
    ) throws(PgkeepError) -> Bool {
        if pgkeep_rename_noreplace(from, target) == 0 { return true }
        guard errno == EEXIST else { throw .system("rename", from) }
        return false
    }

    /// Makes the entries of a directory durable.
    public static func syncDirectory(_ path: String) throws(PgkeepError) {
        try File(path, .directory).sync()
    }

    /// All bytes of a file.
    public static func readFile(_ path: String, limit: Int = 1 << 30) throws -> [UInt8] {
        let file = try File(path, .read)
        let size = Int(try file.size())
        guard size <= limit else {
            throw PgkeepError(.usage, "\(path) is larger than \(limit) bytes")
        }
        // Files of /proc and pipes say 0; read until the end instead of trusting the size.
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: max(size + 1, 4096))
        while bytes.count <= limit {
            let offset = UInt64(bytes.count)
            let count = try block.withUnsafeMutableBytes { try file.read(into: $0, at: offset) }
            bytes.append(contentsOf: block[..<count])
            if count < block.count { break }
        }
        return bytes
    }

    /// Writes a whole file so that after a crash either the old or the new one is there: temporary
    /// name beside it, fsync, rename, fsync of the directory. Durable on return.
    public static func writeAtomically(
        _ path: String,
        _ bytes: [UInt8],
        mode: UInt32 = 0o600
    ) throws {
        let temporary = "\(path).tmp-\(getpid())"
        do {
            let file = try File(temporary, .replace(mode))
            try bytes.withUnsafeBytes { try file.write($0, at: 0) }
            try file.sync()
            try rename(temporary, to: path)
        } catch {
            unlink(temporary)
            throw error
        }
        try syncDirectory(parent(of: path) ?? ".")
    }

    /// Bytes an ordinary user can still write on the file system holding `path`, and its size.
    public static func space(_ path: String) throws(PgkeepError) -> (free: UInt64, total: UInt64) {
        var information = statvfs()
        guard statvfs(path, &information) == 0 else { throw .system("statvfs", path) }
        let block = UInt64(information.f_frsize)
        return (UInt64(information.f_bavail) * block, UInt64(information.f_blocks) * block)
    }
}
