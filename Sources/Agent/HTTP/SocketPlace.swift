import Domain
import Glibc
import Platform

/// The place of a socket in the file system, held as long as this lives.
///
/// A lock file beside it keeps two agents from taking each other's socket; a socket that nobody
/// answers on is left of a process that was killed, and is removed.
final class SocketPlace: Sendable {
    private let lock: File

    /// Takes a place and clears it.
    ///
    /// Throws `.busy` when another process serves it, `.exists` when something else is there.
    init(_ path: String) throws(PgkeepError) {
        let lockPath = path + ".lock"
        let opened = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard opened >= 0 else { throw PgkeepError.system("create", lockPath) }
        lock = File(adopting: opened, path: lockPath)
        guard try lock.tryLock() else { throw Self.taken(path) }
        try Self.clear(path)
    }

    private static func clear(_ path: String) throws(PgkeepError) {
        var found = stat()
        guard lstat(path, &found) == 0 else {
            if errno == ENOENT { return }
            throw PgkeepError.system("look at", path)
        }
        guard found.st_mode & S_IFMT == S_IFSOCK else {
            throw PgkeepError(
                .exists,
                "\(path) is there and is no socket",
                hint: "choose another path for --listen unix:…"
            )
        }
        guard !answers(path) else { throw taken(path) }
        guard unlink(path) == 0 || errno == ENOENT else {
            throw PgkeepError.system("remove", path)
        }
    }

    /// True unless it is certain that nobody listens.
    private static func answers(_ path: String) -> Bool {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return true }
        defer { close(descriptor) }
        // A listener whose queue is full must not keep us waiting.
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { memory in
            memory.copyBytes(from: path.utf8.prefix(memory.count - 1))
        }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        return result == 0 || errno != ECONNREFUSED
    }

    private static func taken(_ path: String) -> PgkeepError {
        PgkeepError(
            .busy,
            "another process listens on \(path)",
            hint: "choose another path for --listen, or end the other process"
        )
    }
}
