public import Domain
import Glibc

/// Where the HTTP interface listens: `HOST:PORT`, `[IPv6]:PORT` or `unix:/PATH`.
public enum HTTPAddress: Hashable, Sendable, CustomStringConvertible {
    /// A TCP port; 0 takes one that is free.
    case tcp(host: String, port: Int)
    /// A socket in the file system.
    case unix(path: String)

    /// Where it listens unless told otherwise: this host only.
    public static let standard = HTTPAddress.tcp(host: "127.0.0.1", port: 9931)

    /// The longest path a socket can have, in bytes.
    private static let pathBytesMax = 107

    /// Reads an address. Throws `.usage`.
    public init(checking text: String) throws(PgkeepError) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard path.hasPrefix("/"), !path.hasSuffix("/"), path.utf8.count <= Self.pathBytesMax
            else {
                throw Self.wrong(text, "give unix:/PATH with at most \(Self.pathBytesMax) bytes")
            }
            self = .unix(path: path)
            return
        }
        guard let colon = text.lastIndex(of: ":"),
            let port = Int(text[text.index(after: colon)...]), (0...65535).contains(port)
        else { throw Self.wrong(text, "give HOST:PORT or unix:/PATH") }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw Self.wrong(text, "put an IPv6 address in brackets: [::1]:PORT")
        }
        guard !host.isEmpty else {
            throw Self.wrong(text, "name the host: 127.0.0.1 for this one only, 0.0.0.0 for all")
        }
        self = .tcp(host: String(host), port: port)
    }

    /// True when nobody beyond this host can reach it.
    public var isLocal: Bool {
        switch self {
        case .unix: true
        case .tcp(let host, _): Self.isLoopback(host)
        }
    }

    /// The address as it is written.
    public var description: String {
        switch self {
        case .unix(let path): "unix:\(path)"
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }

    /// True for `localhost` and the addresses that mean this host, without asking a name service.
    static func isLoopback(_ host: some StringProtocol) -> Bool {
        if host.lowercased() == "localhost" { return true }
        var four = in_addr()
        if inet_pton(AF_INET, String(host), &four) == 1 {
            return UInt32(bigEndian: four.s_addr) >> 24 == 127
        }
        var six = in6_addr()
        guard inet_pton(AF_INET6, String(host), &six) == 1 else { return false }
        return withUnsafeBytes(of: six) { $0.dropLast().allSatisfy { $0 == 0 } && $0.last == 1 }
    }

    private static func wrong(_ text: String, _ hint: String) -> PgkeepError {
        PgkeepError(.usage, "\"\(text)\" is no address to listen on", hint: hint)
    }
}
