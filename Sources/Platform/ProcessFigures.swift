internal import Glibc

/// What the kernel counts of a process.
public struct ProcessFigures: Hashable, Sendable {
    /// Resident memory in bytes.
    public var residentBytes: UInt64
    /// User and system time of its own threads, in seconds.
    public var cpuSeconds: Double
    /// Open descriptors; nil when it is another user's process.
    public var openFiles: Int?

    /// The figures of a process; nil when it is gone or cannot be looked at.
    public static func of(_ process: Int32) -> ProcessFigures? {
        guard let memory = words(process, "statm"), memory.count > 1, let pages = UInt64(memory[1]),
            let text = text(process, "stat"), let name = text.lastIndex(of: ")")
        else { return nil }
        // Behind the name, which may hold anything: state is the first field, utime the 12th.
        let fields = text[text.index(after: name)...].split(separator: " ")
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12])
        else { return nil }
        return ProcessFigures(
            residentBytes: pages * UInt64(sysconf(Int32(_SC_PAGESIZE))),
            cpuSeconds: (user + system) / Double(sysconf(Int32(_SC_CLK_TCK))),
            openFiles: (try? FileSystem.list("/proc/\(process)/fd"))??.count
        )
    }

    /// The figures of this process.
    public static func ofThis() -> ProcessFigures? { of(getpid()) }

    private static func words(_ process: Int32, _ name: String) -> [Substring]? {
        text(process, name)?.split(separator: " ")
    }

    private static func text(_ process: Int32, _ name: String) -> String? {
        (try? FileSystem.readFile("/proc/\(process)/\(name)")).map {
            String(decoding: $0, as: UTF8.self)
        }
    }
}
