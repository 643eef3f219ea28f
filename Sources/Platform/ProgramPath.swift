internal import Glibc

/// Where the program of this process is.
public enum ProgramPath {
    /// An absolute path that starts the same program again, also when its file was replaced or
    /// removed since.
    public static var own: String {
        let link = "/proc/self/exe"
        guard let path = FileSystem.resolved(link) else { return link }
        var (file, program) = (stat(), stat())
        guard stat(path, &file) == 0, stat(link, &program) == 0, file.st_ino == program.st_ino,
            file.st_dev == program.st_dev
        else { return link }
        return path
    }
}
