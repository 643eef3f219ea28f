internal import CPlatform
public import Domain
internal import Glibc

/// An open file: owns the descriptor, closes it when the last reference goes.
///
/// All calls block and are retried when a signal interrupts them. Positioned reads and writes may
/// be used from several threads at once; nothing here keeps a position of its own except `append`.
public final class File: @unchecked Sendable {
    /// The path it was opened by, for messages.
    public let path: String
    /// The raw descriptor, valid while the object lives.
    public let descriptor: Int32
    private var isOpen = true

    /// How a file is opened.
    public enum Mode: Sendable {
        /// For reading.
        case read
        /// For reading and writing; must exist.
        case update
        /// Created anew with the given permission bits; must not exist.
        case create(UInt32)
        /// Opened for writing, created with the given permission bits when missing, emptied.
        case replace(UInt32)
        /// A directory, for fsync.
        case directory
    }

    /// Opens `path`.
    public convenience init(_ path: String, _ mode: Mode) throws(PgkeepError) {
        try self.init(RawPath(path), mode)
    }

    /// Opens `path`.
    public init(_ path: RawPath, _ mode: Mode) throws(PgkeepError) {
        let (flags, bits): (Int32, UInt32) =
            switch mode {
            case .read: (O_RDONLY, 0)
            case .update: (O_RDWR, 0)
            case .create(let bits): (O_RDWR | O_CREAT | O_EXCL, bits)
            case .replace(let bits): (O_RDWR | O_CREAT | O_TRUNC, bits)
            case .directory: (O_RDONLY | O_DIRECTORY, 0)
            }
        var opened: Int32
        repeat {
            opened = path.withCString { pgkeep_open($0, flags, bits) }
        } while opened < 0 && errno == EINTR
        guard opened >= 0 else { throw .system("open", path.text) }
        self.path = path.text
        descriptor = opened
    }

    /// Takes over an open descriptor.
    public init(adopting descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { if isOpen { Glibc.close(descriptor) } }

    /// Closes now and reports what `close` says; later use is a programmer error.
    public func close() throws(PgkeepError) {
        precondition(isOpen)
        isOpen = false
        guard Glibc.close(descriptor) == 0 || errno == EINTR else { throw .system("close", path) }
    }

    /// The length in bytes.
    public func size() throws(PgkeepError) -> UInt64 {
        var information = stat()
        guard fstat(descriptor, &information) == 0 else { throw .system("stat", path) }
        return UInt64(information.st_size)
    }

    /// Reads at `offset` until `buffer` is full or the file ends; returns the bytes read.
    public func read(
        into buffer: UnsafeMutableRawBufferPointer,
        at offset: UInt64
    ) throws(PgkeepError) -> Int {
        var done = 0
        while done < buffer.count {
            let count = pread(
                descriptor,
                buffer.baseAddress.map { $0 + done },
                buffer.count - done,
                Int(offset) + done
            )
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .system("read", path) }
            if count == 0 { break }
            done += count
        }
        return done
    }

    /// Writes all of `bytes` at `offset`.
    public func write(
        _ bytes: UnsafeRawBufferPointer,
        at offset: UInt64
    ) throws(PgkeepError) {
        var done = 0
        while done < bytes.count {
            let count = pwrite(
                descriptor,
                bytes.baseAddress.map { $0 + done },
                bytes.count - done,
                Int(offset) + done
            )
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .system("write", path) }
            done += count
        }
    }

    /// Makes content and length durable.
    public func syncData() throws(PgkeepError) {
        guard fdatasync(descriptor) == 0 else { throw .system("fdatasync", path) }
    }

    /// Makes everything about the file (or, for a directory, its entries) durable.
    public func sync() throws(PgkeepError) {
        guard fsync(descriptor) == 0 else { throw .system("fsync", path) }
    }

    /// Makes the whole file system holding this file durable.
    public func syncFileSystem() throws(PgkeepError) {
        guard pgkeep_syncfs(descriptor) == 0 else { throw .system("syncfs", path) }
    }

    /// Starts writing `length` bytes from `offset` back without waiting. Advice only.
    public func startWriteback(offset: UInt64, length: UInt64) {
        _ = pgkeep_start_writeback(descriptor, Int64(offset), Int64(length))
    }

    /// Advises that `length` bytes from `offset` will be read soon.
    public func readAhead(offset: UInt64, length: UInt64) {
        pgkeep_read_ahead(descriptor, Int64(offset), Int64(length))
    }

    /// Advises that what is durable of the file will not be read soon.
    public func releaseCache() { pgkeep_release_cache(descriptor) }

    /// Cuts or extends the file to `length` bytes.
    public func truncate(to length: UInt64) throws(PgkeepError) {
        guard ftruncate(descriptor, Int(length)) == 0 else { throw .system("truncate", path) }
    }

    /// Takes an exclusive advisory lock without waiting; false when another process holds it.
    /// The lock ends with the descriptor, also when the process is killed.
    public func tryLock() throws(PgkeepError) -> Bool {
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return true }
        guard errno == EWOULDBLOCK else { throw .system("lock", path) }
        return false
    }
}
