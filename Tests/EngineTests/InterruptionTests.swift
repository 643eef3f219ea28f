import Domain
import Glibc
import Platform
import TestSupport
import Testing

/// Ctrl-C and SIGKILL at random moments: nothing half-done counts, nothing is left running, and
/// the next run succeeds.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct InterruptionTests {
    private static let signals = [SIGINT, SIGINT, SIGTERM, SIGKILL, SIGKILL, SIGKILL]

    /// Runs pgkeep and sends a signal after a random part of the time a whole run takes.
    private func disturb(
        _ protected: ProtectedServer,
        _ arguments: [String],
        _ signal: Int32,
        after seconds: Double,
        _ random: inout SeededRandom
    ) throws -> CommandResult {
        let command = try protected.startPgkeep(arguments)
        letPass(seconds: Double.random(in: 0..<seconds, using: &random))
        command.signal(signal)
        return try #require(command.wait(seconds: 60), "it did not end when it was told to")
    }

    private func seconds(_ body: () throws -> Void) rethrows -> Double {
        let clock = SystemClock()
        let begun = clock.monotonicSeconds
        try body()
        return clock.monotonicSeconds - begun
    }

    /// What an interrupted run says; one that is killed says nothing.
    private func expectEnd(_ result: CommandResult, _ signal: Int32) {
        // Before the program listens to signals they end it on the spot, which is as good.
        guard result.signal == nil else {
            #expect(result.signal == signal)
            return
        }
        if result.exitCode != 0 {
            expectRefusal(result, .cancelled, ["nothing half-done counts"])
        }
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `a backup interrupted anywhere leaves no half point`(major: Int) throws {
        var random = SeededRandom(stream: "backup \(major)")
        let prepare: (PostgresServer) throws -> Void = { try $0.pgbenchInit() }
        try ProtectedServer.with(.required(major), prepare: prepare) { protected in
            var known = Set(try protected.points().map(\.id))
            let whole = try seconds { known.insert(try protected.backup().id) }
            for signal in Self.signals {
                let backup = ["backup", "create", "main"]
                let result = try disturb(protected, backup, signal, after: whole * 1.1, &random)
                expectEnd(result, signal)
                let points = try protected.points()
                #expect(points.allSatisfy { $0.state == "completed" })
                let new = Set(points.map(\.id)).subtracting(known)
                // A kill may come between the commit and the news of it.
                if signal != SIGKILL { #expect(new.count == (result.succeeded ? 1 : 0)) }
                #expect(new.count <= 1)
                known.formUnion(new)
                try protected.waitUntilForgotten()
            }
            let last = try protected.backup()
            try protected.succeed(["vault", "check", "--level", "decode"])
            for id in [last.id] + known.subtracting([protected.firstPoint.id]).prefix(2) {
                let copy = try protected.restore(["--point", id])
                #expect(try copy.psql("select count(*) from pgbench_accounts") == "100000")
                try copy.stop()
            }
        }
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `a stream interrupted anywhere goes on without a gap`(major: Int) throws {
        var random = SeededRandom(stream: "stream \(major)")
        let prepare: (PostgresServer) throws -> Void = { try $0.pgbenchInit() }
        try ProtectedServer.with(.required(major), prepare: prepare) { protected in
            let load = try protected.server.startPgbench()
            for signal in Self.signals {
                try protected.server.psql("select pg_switch_wal()")
                let stream = ["wal", "stream", "main"]
                let result = try disturb(protected, stream, signal, after: 1, &random)
                // To be told to stop is how a stream ends well.
                let isWell = result.signal.map { $0 == signal } ?? (result.exitCode == 0)
                #expect(isWell, "exit \(result.exitCode): \(result.errors)")
                try protected.waitUntilForgotten()
            }
            load.interrupt()
            try protected.catchUp()
            let window = try protected.window()
            #expect(window.gaps.isEmpty && window.intervals.count == 1)
            try protected.succeed(["vault", "check", "--level", "decode"])
            let copy = try protected.restore([])
            #expect(try copy.pgbenchSums() == protected.server.pgbenchSums())
        }
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `a restore interrupted anywhere leaves nothing that starts`(major: Int) throws {
        var random = SeededRandom(stream: "restore \(major)")
        let prepare: (PostgresServer) throws -> Void = { try $0.pgbenchInit() }
        try ProtectedServer.with(.required(major), prepare: prepare) { protected in
            let whole = try seconds { _ = try protected.restoreOnly([]) }
            let home = try protected.scratch.serverDirectory("targets", mode: 0o755)
            for (number, signal) in Self.signals.enumerated() {
                let directory = "\(home)/\(number)"
                let restore = ["restore", "start", "main", "--to-dir", directory]
                let result = try disturb(protected, restore, signal, after: whole * 0.9, &random)
                expectEnd(result, signal)
                if result.exitCode == 130, result.signal == nil {
                    // All that was written is gone again; the directory itself may stay.
                    #expect(try FileSystem.list(directory) ?? [] == [])
                } else if result.signal != nil {
                    try expectNoStart(protected, directory)
                }
                // The directory is the operator's to clear; then the same place will do.
                try FileSystem.removeTree(directory)
                try protected.succeed(restore)
                try protected.server.check("pg_verifybackup", [directory])
                try FileSystem.removeTree(directory)
            }
            try protected.succeed(["vault", "check", "--level", "decode"])
        }
    }

    /// A killed restore has either finished or left a directory no server takes for its own, and no
    /// second restore mistakes for free.
    private func expectNoStart(_ protected: ProtectedServer, _ directory: String) throws {
        let names = try FileSystem.list(directory) ?? []
        guard !names.isEmpty else { return }
        var words = ["not empty", "choose a directory"]
        if try FileSystem.info(directory + "/global/pg_control") != nil {
            try protected.server.check("pg_verifybackup", [directory])
        } else {
            if names.contains("base"), names.contains("global") {
                words = ["what an unfinished restore left", "remove it"]
            }
            let copy = try PostgresServer(
                protected.server.installation,
                dataDirectory: directory,
                in: protected.scratch
            )
            let attempt = try copy.launch()
            let ended = try #require(attempt.wait(seconds: 60), "a half copy has started")
            #expect(!ended.succeeded)
        }
        try protected.refuses(
            ["restore", "start", "main", "--to-dir", directory],
            .refused,
            words
        )
    }

    @Test func `a started copy is stopped with the command that follows it`() throws {
        let prepare: (PostgresServer) throws -> Void = { try $0.pgbenchInit() }
        try ProtectedServer.with(.newest(), prepare: prepare) { protected in
            try protected.server.runPgbench(transactions: 2000)
            try protected.catchUp()
            let directory = protected.scratch.file("operator/copy")
            let restore = try protected.startPgkeep(
                [
                    "restore", "start", "main", "--to-dir", directory, "--run", "--pg-bin",
                    protected.server.installation.binaries, "--set", "recovery_min_apply_delay=1h",
                ]
            )
            try restore.waitForOutput("starting it")
            try waitUntil("the copy runs") {
                try FileSystem.info(directory + "/postmaster.pid") != nil
            }
            let ended = restore.interrupt()
            #expect(ended.exitCode == 130 && ended.signal == nil)
            #expect(ended.errors.contains("pgkeep: interrupted\n  → "), "\(ended.errors)")
            try waitUntil("the copy is stopped") {
                try FileSystem.info(directory + "/postmaster.pid") == nil
            }
        }
    }
}
