internal import Domain
internal import Glibc
internal import Platform

/// Writes one file of a `FileStore`: in `tmp/` when hidden, under its name when visible.
///
/// Bytes are handed to the disk every 4 MiB, so that the final sync finds little left to do. After
/// a failed write or sync the kernel may have dropped the bytes and forgotten the failure; the
/// writer is therefore dead and says so to every later call.
final class FileObjectWriter: ObjectWriter {
    private enum State {
        case open
        case finished
        case failed(any Error)
    }

    private static let writebackBytes: UInt64 = 4 << 20

    private(set) var length: UInt64 = 0
    private let file: File
    private let directories: StoreDirectories
    private let visibleName: ObjectName?
    private var state = State.open
    private var started: UInt64 = 0
    private var isNameDurable = false

    init(_ file: File, in directories: StoreDirectories, visibleAs name: ObjectName?) {
        self.file = file
        self.directories = directories
        visibleName = name
    }

    deinit {
        // Nobody can ever publish a hidden file whose writer is gone; a journal must stay.
        if case .finished = state { return }
        if visibleName == nil { unlink(file.path) }
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws {
        try attempt {
            try file.write(bytes, at: length)
            length += UInt64(bytes.count)
            if length - started >= Self.writebackBytes {
                file.startWriteback(offset: started, length: length - started)
                started = length
            }
        }
    }

    func sync() throws {
        try attempt { try syncBytes() }
    }

    func publish(as name: ObjectName) throws -> Bool {
        try attempt {
            try syncBytes()
            if name == visibleName {
                state = .finished
                return true
            }
            let created = try directories.inDirectory(of: name) { folder, base in
                let created = try link(into: folder, base, name)
                // Also when another was first: the caller may now drop what only it has.
                try StoreDirectories.sync(folder)
                return created
            }
            guard created else { return false }
            // The new name is durable, so the old one may go; if a power cut brings it back, it is
            // a second name for the same bytes.
            try FileSystem.removeFile(file.path)
            state = .finished
            return true
        }
    }

    /// Makes all bytes durable under `name`, replacing what is there.
    func replace(_ name: ObjectName) throws {
        try attempt {
            try syncBytes()
            try directories.inDirectory(of: name) { folder, base in
                guard renameat(AT_FDCWD, file.path, folder.descriptor, base) == 0 else {
                    throw PgkeepError.system("rename", directories.path(name))
                }
                // From here on the file is the object, whatever the sync says.
                state = .finished
                try StoreDirectories.sync(folder)
            }
        }
    }

    func discard() throws {
        if case .finished = state { return }
        try directories.reaching {
            try FileSystem.removeFile(file.path)
            state = .finished
            if let visibleName { directories.removeEmpty(above: visibleName) }
        }
    }

    func releaseCache() { file.releaseCache() }

    private func syncBytes() throws {
        try file.syncData()
        guard let visibleName, !isNameDurable else { return }
        // Asked for anew: with our file in it the directory can no longer be removed by anybody.
        try StoreDirectories.sync(try directories.directory(for: visibleName))
        isNameDurable = true
    }

    /// Gives the file its name; false when another file has it.
    private func link(into folder: File, _ base: String, _ name: ObjectName) throws -> Bool {
        if linkat(AT_FDCWD, file.path, folder.descriptor, base, 0) == 0 { return true }
        let number = errno
        let path = directories.path(name)
        // Over NFS the reply to a successful link can be lost and the repeated request then finds
        // the name taken: by us, which two names of one file prove.
        if try linkCount() > 1, let found = try FileSystem.info(path),
            let own = try FileSystem.info(file.path), found.identity == own.identity
        {
            return true
        }
        switch number {
        case EEXIST: return false
        case EPERM, EOPNOTSUPP, ENOSYS, EMLINK:
            return try FileSystem.renameExclusively(file.path, to: path)
        default: throw PgkeepError.system("link", path, errno: number)
        }
    }

    private func linkCount() throws -> UInt64 {
        var information = stat()
        guard fstat(file.descriptor, &information) == 0 else {
            throw PgkeepError.system("stat", file.path)
        }
        return UInt64(information.st_nlink)
    }

    private func attempt<Result>(_ body: () throws -> Result) throws -> Result {
        switch state {
        case .open: break
        case .finished: preconditionFailure("the object is finished")
        case .failed(let error): throw error
        }
        do {
            return try directories.reaching(body)
        } catch {
            if case .open = state { state = .failed(error) }
            throw error
        }
    }
}
