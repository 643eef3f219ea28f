internal import Glibc

/// Turns signals into calls on a thread of their own.
///
/// They are blocked in every thread and waited for by one, so no handler ever runs in the middle of
/// anything. Call once, from the main thread, before others start: they inherit the mask.
public enum Signals {
    /// A signal that can be waited for.
    public enum Number: Sendable {
        /// Ctrl-C.
        case interrupt
        /// A terminal that went away; to daemons, the wish to read their settings again.
        case hangup
        /// The wish that the process ends.
        case terminate
    }

    /// Has SIGINT, SIGTERM and SIGHUP cancel `token`; a second one ends the process.
    ///
    /// - Parameter endSeconds: the process is ended by force so long after the first one.
    public static func cancelOnSignal(_ token: CancellationToken, endSeconds: Int? = nil) {
        watch { number in
            let value = raw(number)
            // The second wish is an order: whatever the job is waiting for, leave now.
            if token.isCancelled { _exit(128 + value) }
            if let endSeconds { alarm(UInt32(clamping: endSeconds)) }
            token.cancel(number == .interrupt ? "interrupted" : "terminated by signal \(value)")
        }
    }

    /// Has `received` called for each SIGINT, SIGTERM and SIGHUP.
    public static func watch(_ received: @escaping @Sendable (Number) -> Void) {
        var set = sigset_t()
        sigemptyset(&set)
        for number in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&set, number) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
        let watched = set
        _ = Thread<Void>("signals") {
            var set = watched
            var number: Int32 = 0
            while sigwait(&set, &number) == 0 {
                switch number {
                case SIGINT: received(.interrupt)
                case SIGHUP: received(.hangup)
                default: received(.terminate)
                }
            }
        }
    }

    private static func raw(_ number: Number) -> Int32 {
        switch number {
        case .interrupt: SIGINT
        case .hangup: SIGHUP
        case .terminate: SIGTERM
        }
    }

    /// Ignores the wishes of terminals and process groups to end: for a process that watches over
    /// another one and ends with it.
    public static func ignoreWishesToEnd() {
        for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] { signal(number, SIG_IGN) }
    }

    /// Ignores SIGPIPE for the whole process, so a closed pipe or socket is an error, not the end.
    public static func ignoreBrokenPipes() { signal(SIGPIPE, SIG_IGN) }
}
