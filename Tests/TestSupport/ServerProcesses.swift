import Domain
private import Glibc
import Platform

/// What the fixture asks the kernel: children, their states, free ports.
extension PostgresServer {
    /// The processes whose parent is `pid`.
    public static func children(of pid: Int32) -> [Int32] {
        ((try? FileSystem.list("/proc")) ?? []).compactMap { name in
            guard let child = Int32(name), let fields = statFields(child), fields.count > 1,
                fields[1] == "\(pid)"
            else { return nil }
            return child
        }
    }

    /// The state letter of a process, nil when it is gone or only waits to be reaped.
    public static func processState(_ pid: Int32) -> String? {
        guard let state = statFields(pid)?.first, state != "Z", state != "X" else { return nil }
        return state
    }

    /// The fields of /proc/PID/stat behind the command's name: state, parent, …
    private static func statFields(_ pid: Int32) -> [String]? {
        guard let bytes = try? FileSystem.readFile("/proc/\(pid)/stat"),
            let end = bytes.lastIndex(of: UInt8(ascii: ")"))
        else { return nil }
        return String(decoding: bytes[(end + 1)...], as: UTF8.self)
            .split { $0 == " " || $0 == "\n" }.map(String.init)
    }

    /// A port of 127.0.0.1 nobody listens on, below those the kernel gives to clients, so that it
    /// stays free over a restart of the server.
    static func freePort() throws -> Int {
        for _ in 0..<200 {
            let port = Int.random(in: 20_000..<32_000)
            if isFree(port) { return port }
        }
        throw PgkeepError(.unexpected, "no free port between 20000 and 32000")
    }

    private static func isFree(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
