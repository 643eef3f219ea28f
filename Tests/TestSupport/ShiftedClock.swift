public import Domain
private import Glibc
import Platform

/// The wall clock of real programs, PostgreSQL and pgkeep among them, set to another day: a small
/// library loaded before theirs answers their questions for the time.
///
/// All programs that were given `variables` follow every `set` at once. Clocks that only measure
/// (`CLOCK_MONOTONIC`) are left alone, so that whatever waits waits as long as ever.
public final class ShiftedClock: Sendable {
    /// What programs need in their environment.
    public let variables: [String: String]
    private let path: String
    private let ahead = Condition<Int64>(0)

    /// A clock that shows the machine's time until it is set; its file lies in `scratch`.
    public init(in scratch: ScratchDirectory) throws {
        path = scratch.unusedPath("clock")
        try FileSystem.writeAtomically(path, [UInt8](repeating: 0, count: 8), mode: 0o644)
        chmod(path, 0o644)
        variables = ["LD_PRELOAD": try Self.library.get(), "PGKEEP_TEST_CLOCK": path]
    }

    /// Lets it show `time` now and go on from there.
    public func set(_ time: Timestamp) throws {
        try put(Int64(time.seconds(since: SystemClock().now).rounded()))
    }

    /// Moves on by `seconds`.
    public func advance(seconds: Int64) throws { try put(ahead.read { $0 } + seconds) }

    private func put(_ seconds: Int64) throws {
        ahead.change { $0 = seconds }
        let file = try File(path, .update)
        try withUnsafeBytes(of: seconds) { try file.write($0, at: 0) }
    }

    /// Built once in each process.
    private static let library: Result<String, any Error> = Result {
        let scratch = try ScratchDirectory()
        libraryDirectory.change { $0 = scratch }
        return try PreloadedLibrary.build(code, in: scratch)
    }

    private static let libraryDirectory = Condition<ScratchDirectory?>(nil)

    private static let code = """
        #define _GNU_SOURCE
        #include <fcntl.h>
        #include <stdlib.h>
        #include <sys/mman.h>
        #include <sys/syscall.h>
        #include <sys/time.h>
        #include <time.h>
        #include <unistd.h>

        static volatile const long long *ahead;

        __attribute__((constructor)) static void begin(void) {
            const char *path = getenv("PGKEEP_TEST_CLOCK");
            int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
            if (file < 0) return;
            void *page = mmap(0, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
            if (page != MAP_FAILED) ahead = page;
            close(file);
        }

        int clock_gettime(clockid_t clock, struct timespec *time) {
            int result = syscall(SYS_clock_gettime, clock, time);
            int shifts = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
            if (result == 0 && shifts && ahead) time->tv_sec += *ahead;
            return result;
        }

        int gettimeofday(struct timeval *restrict time, void *restrict zone) {
            struct timespec now;
            if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
            time->tv_sec = now.tv_sec;
            time->tv_usec = now.tv_nsec / 1000;
            return 0;
        }

        time_t time(time_t *result) {
            struct timespec now;
            clock_gettime(CLOCK_REALTIME, &now);
            if (result) *result = now.tv_sec;
            return now.tv_sec;
        }
        """
}
