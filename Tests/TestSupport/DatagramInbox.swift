import Domain
private import Glibc
import Platform

/// A datagram socket in the file system and what was sent to it, as a service manager has one.
public final class DatagramInbox: Sendable {
    private let descriptor: Int32
    private let received = Condition("")

    /// Makes the socket at `path`, open to everybody.
    public init(_ path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        guard descriptor >= 0 else { throw PgkeepError.system("make a socket at", path) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { memory in
            memory.copyBytes(from: path.utf8.prefix(memory.count - 1))
        }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
        guard bound, chmod(path, 0o777) == 0 else {
            let error = PgkeepError.system("bind a socket at", path)
            close(descriptor)
            throw error
        }
    }

    deinit { close(descriptor) }

    /// All that was sent so far.
    public var text: String {
        received.change { text in
            var buffer = [UInt8](repeating: 0, count: 4096)
            while true {
                let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
                guard count > 0 else { return text }
                text += String(decoding: buffer.prefix(count), as: UTF8.self)
            }
        }
    }
}
