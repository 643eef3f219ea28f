internal import Glibc

/// Tells systemd, or whoever started this process and waits for such a word, how it is: the
/// protocol of `sd_notify`, one datagram to the socket that `NOTIFY_SOCKET` names.
public struct ServiceNotice: Sendable {
    /// What is told.
    public enum Word: Sendable {
        /// It is at work.
        case ready
        /// It was told to end.
        case stopping
        /// It lives; to be told again within the watchdog's time.
        case watchdog
        /// What it does, in one line.
        case status(String)

        fileprivate var text: String {
            switch self {
            case .ready: "READY=1"
            case .stopping: "STOPPING=1"
            case .watchdog: "WATCHDOG=1"
            case .status(let words):
                "STATUS=" + words.split(whereSeparator: \.isNewline).joined(separator: " ")
            }
        }
    }

    private let socketPath: String

    /// Nil when nobody waits for a word.
    public init?() {
        guard let path = Environment.value("NOTIFY_SOCKET"), let first = path.first,
            first == "/" || first == "@"
        else { return nil }
        socketPath = path
    }

    /// Seconds within which a sign of life is wanted again; nil when none is.
    ///
    /// A child that inherited the variables is not meant.
    public static var watchdogSeconds: Double? {
        guard let text = Environment.value("WATCHDOG_USEC"), let microseconds = Double(text),
            microseconds > 0
        else { return nil }
        if let process = Environment.value("WATCHDOG_PID"), process != "\(getpid())" { return nil }
        return microseconds / 1e6
    }

    /// Tells it; false when nobody could be told. Never waits.
    @discardableResult
    public func tell(_ words: Word...) -> Bool {
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(socketPath.utf8)
        guard name.count < MemoryLayout.size(ofValue: address.sun_path) else { return false }
        // "@" stands for the zero byte of an abstract name.
        if name[0] == UInt8(ascii: "@") { name[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
        let message = Array(words.map { $0.text + "\n" }.joined().utf8)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(
                    descriptor,
                    message,
                    message.count,
                    Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT),
                    $0,
                    length
                ) == message.count
            }
        }
    }
}
