import Domain
private import Glibc
import Platform

/// A blocking HTTP/1.1 client of one connection: sends what it is given, word for word, and reads
/// what comes back. For servers that are other processes.
public final class RawHTTP: Sendable {
    /// What came back.
    public struct Answer: Sendable {
        /// The status.
        public let status: Int
        /// The headers, names in lower case.
        public let headers: [String: String]
        /// The body.
        public let body: String
    }

    private let descriptor: Int32

    /// Connects to `host:port` of this machine, or to `unix:/path`.
    public init(_ address: String) throws {
        let isUnix = address.hasPrefix("unix:")
        descriptor = socket(isUnix ? AF_UNIX : AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw PgkeepError.system("make a socket for", address) }
        var limit = timeval(tv_sec: 120, tv_usec: 0)
        setsockopt(
            descriptor,
            SOL_SOCKET,
            SO_RCVTIMEO,
            &limit,
            socklen_t(MemoryLayout<timeval>.size)
        )
        let connected =
            isUnix
            ? Self.unix(descriptor, String(address.dropFirst(5)))
            : Self.tcp(descriptor, address)
        guard connected else {
            let error = PgkeepError.system("connect to", address)
            close(descriptor)
            throw error
        }
    }

    deinit { close(descriptor) }

    /// Sends bytes; false when the other side has closed.
    @discardableResult
    public func send(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }

    /// Reads until the other side closes.
    public func readAll() throws -> String {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count >= 0 || errno == ECONNRESET else {
                throw PgkeepError.system("read from", "the connection")
            }
            if count <= 0 { return String(decoding: all, as: UTF8.self) }
            all += buffer.prefix(count)
        }
    }

    /// One request on a connection of its own, and its answer.
    public static func ask(
        _ address: String,
        _ path: String,
        method: String = "GET",
        headers: [String] = [],
        host: String = "localhost"
    ) throws -> Answer {
        let connection = try RawHTTP(address)
        let lines = ["\(method) \(path) HTTP/1.1", "Host: \(host)", "Connection: close"] + headers
        connection.send(lines.joined(separator: "\r\n") + "\r\n\r\n")
        return try answer(connection.readAll())
    }

    /// Reads an answer's text.
    public static func answer(_ text: String) throws -> Answer {
        guard let end = text.firstRange(of: "\r\n\r\n") else {
            throw PgkeepError(.unexpected, "no HTTP answer: \(text.debugDescription)")
        }
        let head = text[..<end.lowerBound].split(separator: "\r\n")
        let words = head.first?.split(separator: " ") ?? []
        guard words.count > 1, let status = Int(words[1]) else {
            throw PgkeepError(.unexpected, "no HTTP answer: \(text.debugDescription)")
        }
        var headers: [String: String] = [:]
        for line in head.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] = String(
                line[line.index(after: colon)...].drop { $0 == " " }
            )
        }
        return Answer(status: status, headers: headers, body: String(text[end.upperBound...]))
    }

    private static func tcp(_ descriptor: Int32, _ address: String) -> Bool {
        guard let port = address.split(separator: ":").last.flatMap({ UInt16($0) }) else {
            return false
        }
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = port.bigEndian
        target.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return withUnsafePointer(to: &target) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    private static func unix(_ descriptor: Int32, _ path: String) -> Bool {
        var target = sockaddr_un()
        target.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &target.sun_path) { memory in
            memory.copyBytes(from: path.utf8.prefix(memory.count - 1))
        }
        return withUnsafePointer(to: &target) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }
}
