import Domain
import Glibc
import Platform
import TestSupport
import Testing

@Suite struct ChildProcessTests {
    private func run(
        _ script: String,
        limit: Int = 1 << 20,
        _ started: (ChildProcess) -> Void = { _ in }
    ) throws -> (end: ChildProcess.End, output: String, lines: [String]) {
        let child = try ChildProcess("/bin/sh", ["-c", script], variables: ["GIVEN": "it's"])
        started(child)
        var lines: [String] = []
        let (end, output) = child.wait(outputLimit: limit) { lines.append($0) }
        child.signal(SIGKILL)
        #expect(child.residentBytes == nil)
        return (end, String(decoding: output, as: UTF8.self), lines)
    }

    @Test func `its lines, its answer and its end are told`() throws {
        let result = try run("echo one >&2; printf two >&2; printf \"$GIVEN\"; exit 7")
        #expect(result.end == .exited(7))
        #expect(result.output == "it's")
        #expect(result.lines == ["one", "two"])
        #expect(try run("printf 12345", limit: 3).output == "123")
        #expect(
            try run("head -c 300000 /dev/zero | tr '\\0' x >&2").lines.joined().count == 300_000
        )
        #expect(throws: PgkeepError.self) { try ChildProcess("/nonexistent", []) }
    }

    @Test func `it begins with signals open, nothing to read and no other descriptor`() throws {
        let result = try run("cat; ls /proc/self/fd | wc -l; grep SigBlk /proc/self/status")
        // The fourth is that of ls itself.
        #expect(result.output.split(separator: "\n").first?.trimmingPrefix(" ") == "4")
        #expect(result.output.hasSuffix("SigBlk:\t0000000000000000\n"))
    }

    @Test func `killed, it takes its process group along`() throws {
        let result = try run("sleep 1000 & echo $!; kill -9 $$")
        #expect(result.end == .killed(SIGKILL))
        let left = try #require(Int32(result.output.split(separator: "\n").first ?? ""))
        try waitUntil("\(left) is gone") { PostgresServer.processState(left) == nil }
    }

    @Test func `one that goes on in the background holds nobody up`() throws {
        let result = try run("sleep 1000 & echo $!")
        #expect(result.end == .exited(0))
        let left = try #require(Int32(result.output.split(separator: "\n").first ?? ""))
        #expect(kill(left, SIGKILL) == 0)
    }

    @Test func `it is told to end when the thread that started it is gone`() throws {
        let thread = Thread<Int32>("parent") { try ChildProcess("/bin/sleep", ["1000"]).pid }
        let pid = try thread.join()
        try waitUntil("\(pid) is gone") {
            var status: Int32 = 0
            return waitpid(pid, &status, WNOHANG) == pid
        }
    }
}
