internal import Glibc

/// Turns SIGINT, SIGTERM and SIGHUP into cancellation of a job; a second one ends the process.
///
/// The signals are blocked in every thread and waited for by one, so no handler ever runs in the
/// middle of anything. Call once, from the main thread, before others start: they inherit the mask.
public enum Signals {
    /// Begins to watch; each signal cancels `token`.
    public static func cancelOnSignal(_ token: CancellationToken) {
        var set = sigset_t()
        sigemptyset(&set)
        for number in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&set, number) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
        let watched = set
        _ = Thread<Void>("signals") {
            var set = watched
            var number: Int32 = 0
            while sigwait(&set, &number) == 0 {
                // The second wish is an order: whatever the job is waiting for, leave now.
                if token.isCancelled { _exit(128 + number) }
                token.cancel(number == SIGINT ? "interrupted" : "terminated by signal \(number)")
            }
        }
    }

    /// Ignores SIGPIPE for the whole process, so a closed pipe or socket is an error, not the end.
    public static func ignoreBrokenPipes() { signal(SIGPIPE, SIG_IGN) }
}
