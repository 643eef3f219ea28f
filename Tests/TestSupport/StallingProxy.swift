import Domain
private import Glibc
import Platform

/// Forwards TCP connections of 127.0.0.1 to a port there, until it is told to go silent: then it
/// accepts and keeps everything, and passes nothing on, as a network does that was cut without a
/// word.
public final class StallingProxy: Sendable {
    /// Where to connect to.
    public let port: Int
    private let target: Int
    private let listener: Int32
    private let state = Condition(State())

    private struct State {
        var isEnded = false
        var isSilent = false
        /// Connections of earlier times stay silent for ever.
        var era = 0
    }

    /// A proxy in front of `target`; ends with `scratch`.
    public init(to target: Int, in scratch: ScratchDirectory) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = Self.address(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                Glibc.bind(descriptor, raw, length) == 0 && listen(descriptor, 16) == 0
                    && getsockname(descriptor, raw, &length) == 0
            }
        }
        guard isBound else { throw PgkeepError.system("listen on", "127.0.0.1") }
        self.target = target
        listener = descriptor
        port = Int(UInt16(bigEndian: address.sin_port))
        let thread = Thread<Void>("proxy") { [self] in accept() }
        scratch.atEnd { [state] in
            state.change { $0.isEnded = true }
            try? thread.join()
        }
    }

    /// From now on nothing comes through, by connections there are or new ones.
    public func goSilent() {
        state.change { state in
            state.isSilent = true
            state.era += 1
        }
    }

    /// New connections come through again; those from before never will.
    public func recover() {
        state.change { state in
            state.isSilent = false
            state.era += 1
        }
    }

    private static func address(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        return address
    }

    private func accept() {
        defer { close(listener) }
        var pairs: [Thread<Void>] = []
        while !state.read({ $0.isEnded }) {
            var entry = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, 50) > 0 else { continue }
            let client = Glibc.accept(listener, nil, nil)
            guard client >= 0 else { continue }
            pairs.append(Thread("proxy-pair") { [self] in forward(client) })
        }
        for pair in pairs { try? pair.join() }
    }

    private func forward(_ client: Int32) {
        let (era, wasSilent) = state.read { ($0.era, $0.isSilent) }
        let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer {
            close(client)
            close(server)
        }
        var address = Self.address(target)
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected else { return }
        while true {
            let now = state.read { $0 }
            if now.isEnded { return }
            if wasSilent || now.era != era {
                _ = state.wait(seconds: 0.2) { $0.isEnded ? true : nil }
                continue
            }
            var entries = [
                pollfd(fd: client, events: Int16(POLLIN), revents: 0),
                pollfd(fd: server, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&entries, 2, 50) > 0 else { continue }
            if entries[0].revents != 0, !pass(from: client, to: server) { return }
            if entries[1].revents != 0, !pass(from: server, to: client) { return }
        }
    }

    private func pass(from source: Int32, to target: Int32) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(source, &buffer, buffer.count, 0)
        guard count > 0 else { return false }
        var sent = 0
        while sent < count {
            let rest = Array(buffer[sent..<count])
            let more = send(target, rest, rest.count, Int32(MSG_NOSIGNAL))
            guard more > 0 else { return false }
            sent += more
        }
        return true
    }
}
