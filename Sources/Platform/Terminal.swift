internal import CPlatform
public import Domain
internal import Glibc

/// The three standard streams, and the terminal behind them if there is one.
public enum Terminal {
    /// A standard stream of the process.
    public enum Stream: Int32, Sendable {
        /// Where a single document for other programs goes.
        case output = 1
        /// Where everything for people goes.
        case errors = 2
    }

    /// True when the stream is shown on a terminal.
    public static func isTerminal(_ stream: Stream) -> Bool { isatty(stream.rawValue) == 1 }

    /// The columns of the terminal behind a stream, 0 when there is none.
    public static func columns(_ stream: Stream) -> Int {
        Int(pgkeep_terminal_columns(stream.rawValue))
    }

    /// Writes all of `text`; what a reader that went away does not take is dropped.
    public static func write(_ text: String, to stream: Stream) {
        var text = text
        text.withUTF8 { bytes in
            var done = 0
            while done < bytes.count {
                let count = Glibc.write(
                    stream.rawValue,
                    bytes.baseAddress.map { $0 + done },
                    bytes.count - done
                )
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return }
                done += count
            }
        }
    }

    /// True when what is typed comes from a terminal, not from a pipe or a file.
    public static var isInputTerminal: Bool { isatty(STDIN_FILENO) == 1 }

    /// Asks for a secret on the controlling terminal without showing what is typed.
    ///
    /// Returns the bytes of the line, which the caller owns and wipes; nil when the process has no
    /// terminal. Throws the token's error when it is cancelled meanwhile; the terminal then shows
    /// typing again.
    public static func readSecret(
        _ prompt: String,
        token: CancellationToken
    ) throws(PgkeepError) -> [UInt8]? {
        try readBytes(prompt, isShown: false, token: token)
    }

    /// Asks for a line on the controlling terminal; nil when the process has none. Throws the
    /// token's error when it is cancelled meanwhile.
    public static func readLine(
        _ prompt: String,
        token: CancellationToken
    ) throws(PgkeepError) -> String? {
        guard let bytes = try readBytes(prompt, isShown: true, token: token) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func readBytes(
        _ prompt: String,
        isShown: Bool,
        token: CancellationToken
    ) throws(PgkeepError) -> [UInt8]? {
        guard let terminal = try? File("/dev/tty", .update) else { return nil }
        let descriptor = terminal.descriptor
        var before = termios()
        guard tcgetattr(descriptor, &before) == 0 else { return nil }
        var during = before
        if !isShown { during.c_lflag &= ~tcflag_t(ECHO) }
        tcsetattr(descriptor, TCSAFLUSH, &during)
        defer {
            tcsetattr(descriptor, TCSAFLUSH, &before)
            if !isShown { _ = Glibc.write(descriptor, "\n", 1) }
        }
        _ = Glibc.write(descriptor, prompt, prompt.utf8.count)
        // The line is read in one call, so no copy of a part is left behind by a growing array.
        var line = [UInt8](repeating: 0, count: 4096)
        defer { line.withUnsafeMutableBytes { wipe($0) } }
        while true {
            try token.check()
            var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            // A signal only sets the token, so look at it now and then.
            guard poll(&ready, 1, 100) > 0 else { continue }
            let count = Glibc.read(descriptor, &line, line.count)
            guard count > 0 else { return [] }
            return Array(line[..<count].prefix { $0 != 0x0a && $0 != 0x0d })
        }
    }
}
