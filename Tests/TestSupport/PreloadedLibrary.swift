private import Glibc
import Platform

/// Small libraries loaded before those of real programs, to change what they see of the world.
public enum PreloadedLibrary {
    /// Builds one from C, by the compiler that Swift brings along; returns its path in `scratch`,
    /// for `LD_PRELOAD`. Every user may load it.
    public static func build(_ code: String, in scratch: ScratchDirectory) throws -> String {
        let source = scratch.unusedPath("preloaded.c")
        let built = scratch.unusedPath("preloaded.so")
        try FileSystem.writeAtomically(source, Array(code.utf8))
        try CommandRunner().check(
            "/usr/bin/env",
            ["clang", "-O1", "-shared", "-fPIC", "-o", built, source]
        )
        chmod(scratch.path, 0o755)
        chmod(built, 0o755)
        return built
    }
}
