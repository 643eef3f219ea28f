internal import Glibc

/// Which process of which boot of which machine: enough to tell, on the same machine, that a
/// process is certainly gone, and to name it to an operator.
///
/// Process numbers are reused and mean nothing in another container, so the boot, the process
/// namespace and the start time of the process belong to it.
public struct ProcessIdentity: Hashable, Sendable, Codable {
    /// The machine's name, for messages only.
    public var host: String
    /// The kernel's boot id; empty when it cannot be read.
    public var boot: String
    /// The namespace the process number belongs to; empty when it cannot be read.
    public var namespace: String
    /// The process number.
    public var process: Int32
    /// When the process began, in the kernel's ticks since boot; 0 when it cannot be read.
    public var ticks: UInt64

    /// An identity put together from its parts.
    public init(host: String, boot: String, namespace: String, process: Int32, ticks: UInt64) {
        self.host = host
        self.boot = boot
        self.namespace = namespace
        self.process = process
        self.ticks = ticks
    }

    /// This process.
    public static func current() -> ProcessIdentity {
        let own = getpid()
        return ProcessIdentity(
            host: hostName(),
            boot: bootID(),
            namespace: processNamespace(),
            process: own,
            ticks: state(of: own)?.ticks ?? 0
        )
    }

    /// True when the process has certainly ended, false when it certainly runs, nil when that
    /// cannot be told from here (another machine, another container).
    public func hasEnded(seenFrom observer: ProcessIdentity = .current()) -> Bool? {
        guard !boot.isEmpty, boot == observer.boot, !namespace.isEmpty,
            namespace == observer.namespace
        else { return nil }
        if let found = Self.state(of: process) {
            // A zombie runs no code any more; another start time is another process.
            return found.letter == "Z" || found.letter == "X" || (ticks > 0 && found.ticks != ticks)
        }
        return kill(process, 0) != 0 && errno == ESRCH ? true : nil
    }

    private static func hostName() -> String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "unknown" }
        return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    private static func bootID() -> String {
        guard let bytes = try? FileSystem.readFile("/proc/sys/kernel/random/boot_id") else {
            return ""
        }
        return String(decoding: bytes.prefix { $0 > 32 }, as: UTF8.self)
    }

    private static func processNamespace() -> String {
        var target = [CChar](repeating: 0, count: 128)
        let count = readlink("/proc/self/ns/pid", &target, target.count)
        guard count > 0 else { return "" }
        return String(decoding: target[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// State letter and start time from `/proc/<pid>/stat` (proc(5), fields 3 and 22).
    ///
    /// They are counted from the last `)`: the program's name before it may hold anything.
    private static func state(of process: Int32) -> (letter: Character, ticks: UInt64)? {
        guard let bytes = try? FileSystem.readFile("/proc/\(process)/stat") else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 19, let letter = fields[0].first, let ticks = UInt64(fields[19]) else {
            return nil
        }
        return (letter, ticks)
    }
}
