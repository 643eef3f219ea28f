import Domain
private import Glibc
import Platform

/// What is to be started, and how.
struct Launch: Sendable {
    var program: String
    var arguments: [String]
    var environment: [String: String]
    var user: String?
    var directory: String
    var input: [UInt8] = []
    /// An existing file both streams are appended to, instead of being kept for the result.
    var log: String?
}

/// Starts all programs from one thread that never ends.
///
/// Every child asks the kernel for a signal when its parent dies (`setpriv --pdeathsig`), so that a
/// crashed test run leaves no server behind. The kernel takes "parent" to be the thread that
/// started the child, hence this one thread.
final class Launcher: Sendable {
    static let shared = Launcher()

    private struct Request: Sendable {
        let launch: Launch
        let output: File
        let errors: File
        let answer = Condition<Result<Int32, PgkeepError>?>(nil)
    }

    private let requests = Channel<Request>(capacity: 64)

    private init() {
        let requests = requests
        _ = Thread<Void>("launch") {
            while let request = try requests.receive() {
                let result = Result { () throws(PgkeepError) -> Int32 in
                    try Self.spawn(request.launch, request.output, request.errors)
                }
                request.answer.change { $0 = result }
            }
        }
    }

    func start(_ launch: Launch, output: File, errors: File) -> Result<Int32, PgkeepError> {
        let request = Request(launch: launch, output: output, errors: errors)
        do {
            try requests.send(request)
        } catch {
            return .failure(PgkeepError(.unexpected, "launcher ended", cause: error))
        }
        return request.answer.wait { $0 }
    }

    private static func spawn(
        _ launch: Launch,
        _ output: File,
        _ errors: File
    ) throws(PgkeepError) -> Int32 {
        // PostgreSQL takes SIGQUIT for "stop at once"; for anything else it is as good as another.
        var words = ["/usr/bin/env", "-C", launch.directory]
        words += ["/usr/bin/setpriv", "--pdeathsig", "QUIT"]
        if let user = launch.user {
            words += ["--reuid", user, "--regid", user, "--init-groups"]
        }
        words += ["--", launch.program] + launch.arguments
        let input = try inputFile(launch.input)

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input.descriptor, 0)
        if let log = launch.log {
            posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_APPEND, 0)
            posix_spawn_file_actions_adddup2(&actions, 1, 2)
        } else {
            posix_spawn_file_actions_adddup2(&actions, output.descriptor, 1)
            posix_spawn_file_actions_adddup2(&actions, errors.descriptor, 2)
        }
        // Closing what is not open is no error here. Nothing of the tests may leak into a server.
        for descriptor in 3..<Int32(512) {
            posix_spawn_file_actions_addclose(&actions, descriptor)
        }

        // A test process may block or ignore signals; its children start with a clean slate.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var defaults = sigset_t()
        sigemptyset(&defaults)
        for number in [SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT] { sigaddset(&defaults, number) }
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)
        )

        let environment = launch.environment.map { "\($0.key)=\($0.value)" }.sorted()
        var pid: pid_t = 0
        let failed = withCStrings(words) { words in
            withCStrings(environment) { environment in
                posix_spawn(&pid, "/usr/bin/env", &actions, &attributes, words, environment)
            }
        }
        guard failed == 0 else { throw .system("start", launch.program, errno: failed) }
        return pid
    }

    private static func inputFile(_ bytes: [UInt8]) throws(PgkeepError) -> File {
        guard !bytes.isEmpty else { return try File("/dev/null", .read) }
        var template = Array("/tmp/pgkeep-test-input-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw .system("create file in", "/tmp") }
        unlink(template)
        let file = File(adopting: descriptor, path: "input")
        let written: Result<Void, PgkeepError> = bytes.withUnsafeBytes { bytes in
            Result { () throws(PgkeepError) in try file.write(bytes, at: 0) }
        }
        try written.get()
        return file
    }
}

/// Calls `body` with a null-terminated array of C strings, as exec wants it.
private func withCStrings<Result>(
    _ strings: [String],
    _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    let copies = strings.map { strdup($0) } + [nil]
    defer { for copy in copies { free(copy) } }
    return copies.withUnsafeBufferPointer { buffer in
        guard let base = buffer.baseAddress else { preconditionFailure("never empty") }
        return body(base)
    }
}
