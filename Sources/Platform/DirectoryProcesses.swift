internal import Glibc

/// Processes that work in a directory, found by looking at all there are.
///
/// A postmaster goes to its data directory before it does anything there, even before it writes
/// its process id down; its children inherit that.
public enum DirectoryProcesses {
    /// How a process is asked to end.
    public enum Ending: Sendable {
        /// SIGQUIT: a PostgreSQL server ends at once, without a checkpoint.
        case quit
        /// SIGKILL.
        case kill
    }

    /// The ids of running processes whose working directory is `path`, or was before it was
    /// removed, and whose program bears one of the names. Those one may not look at are left out.
    public static func find(in path: String, programs: Set<String>) -> [Int32] {
        let path = FileSystem.resolved(path) ?? path
        let names = (try? FileSystem.list("/proc")) ?? []
        return names.compactMap { Int32($0) }.filter { process in
            guard link("/proc/\(process)/cwd") == path, let program = link("/proc/\(process)/exe")
            else { return false }
            return programs.contains(String(program.split(separator: "/").last ?? ""))
        }
    }

    /// Asks a process to end; one that is gone is no error.
    public static func end(_ process: Int32, by ending: Ending) {
        kill(process, ending == .quit ? SIGQUIT : SIGKILL)
    }

    /// Where a link of the process file system leads, without the kernel's remark that it is gone.
    private static func link(_ path: String) -> String? {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(path, &target, target.count)
        guard count > 0 else { return nil }
        let text = String(decoding: target[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
        let remark = " (deleted)"
        return text.hasSuffix(remark) ? String(text.dropLast(remark.count)) : text
    }
}
