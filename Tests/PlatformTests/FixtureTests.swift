import Domain
import Platform
import TestSupport
import Testing

/// The fixture every live test stands on must itself be trusted.
@Suite(.serialized, .enabled(if: PostgresInstallation.serversWanted))
struct FixtureTests {
    @Test(arguments: PostgresInstallation.testedMajors)
    func `a server starts, crashes, recovers and stops`(major: Int) throws {
        try PostgresServer.with(.required(major)) { server, _ in
            #expect(try server.psql("show server_version_num").hasPrefix("\(major)"))
            try server.psql("create table kept (id int); insert into kept values (1), (2)")
            let first = server.pid
            try server.kill()
            #expect(!server.isRunning)
            try server.start()
            #expect(server.pid != first)
            #expect(try server.psql("select sum(id) from kept") == "3")
            #expect(server.logText.contains("automatic recovery in progress"))
            try server.stop()
            #expect(
                try server.check("pg_checksums", ["--check", "-D", server.dataDirectory]) != ""
            )
        }
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `a standby follows under load and is promoted`(major: Int) throws {
        try PostgresServer.with(.required(major)) { server, _ in
            try server.pgbenchInit()
            let load = try server.startPgbench()
            let standby = try server.createStandby()
            try waitUntil("pgbench commits") {
                try server.psql("select count(*) > 50 from pgbench_history") == "t"
            }
            load.interrupt()
            try standby.catchUp(with: server)
            #expect(try standby.promote() == 2)
            let sums = try standby.pgbenchSums()
            #expect(sums.count == 4 && Set(sums).count == 1)
            #expect(try sums == server.pgbenchSums())
            #expect(try standby.amcheck() == (major != 16))
            #expect(try standby.systemIdentifier() == server.systemIdentifier())
        }
    }

    @Test func `options reach the server`() throws {
        var options = PostgresServer.Options(settings: ["work_mem": "'5MB'"])
        options.segmentMegabytes = 1
        options.groupAccess = true
        options.configurationOutside = true
        try PostgresServer.with(.required(18), options: options) { server, scratch in
            #expect(try server.psql("show wal_segment_size") == "1MB")
            #expect(try server.psql("show work_mem") == "5MB")
            #expect(try server.psql("show data_directory_mode") == "0750")
            #expect(try FileSystem.info(server.dataDirectory + "/postgresql.conf") == nil)
            try server.createTablespace("spaß")
            try server.psql("create table away (id int) tablespace \"spaß\"")
            try server.setHostAccess(["local all all reject"])
            try server.reload()
            #expect(try server.tryPsql("select 1").errors.contains("rejects"))
            #expect(server.dataDirectory.hasPrefix(scratch.path))
        }
    }

    @Test func `a throwing test leaves no server and no directory`() throws {
        struct Failure: Error {}
        var seen: (path: String, pid: Int32)?
        #expect(throws: Failure.self) {
            try PostgresServer.with(.required(18)) { server, scratch in
                seen = (scratch.path, server.pid ?? 0)
                throw Failure()
            }
        }
        let left = try #require(seen)
        #expect(try FileSystem.info(left.path) == nil)
        #expect(try FileSystem.info("/proc/\(left.pid)") == nil)
    }

    @Test func `a server that cannot start tells why`() throws {
        try PostgresServer.with(.required(18)) { server, _ in
            try server.stop()
            try server.addSettings(["no_such_setting": "1"])
            let error = #expect(throws: PgkeepError.self) { try server.start() }
            #expect(error?.message.contains("no_such_setting") == true)
        }
    }
}

/// Programs, signals and clean-up without a server.
struct CommandRunnerTests {
    @Test func `output, errors, exit code and input are kept apart`() throws {
        let result = try CommandRunner(environment: ["WORD": "ß"], directory: "/usr").run(
            "/bin/sh",
            ["-c", "cat; echo $WORD; pwd; echo bad >&2; exit 3"],
            input: Array("in\n".utf8)
        )
        #expect(result.output == "in\nß\n/usr\n")
        #expect(result.errors == "bad\n")
        #expect(result.exitCode == 3 && !result.succeeded && result.signal == nil)
        #expect(result.peakMemoryBytes > 0)
    }

    @Test func `signals reach a background program and its end is seen`() throws {
        let command = try CommandRunner().start(
            "/bin/sh",
            ["-c", "trap 'echo caught; exit 5' INT; echo on; while :; do sleep 0.05; done"]
        )
        try command.waitForOutput("on")
        #expect(command.isRunning)
        let result = command.interrupt()
        #expect(result.exitCode == 5 && result.output == "on\ncaught\n")
        let killed = try CommandRunner().start("/bin/sleep", ["1000"])
        #expect(killed.kill().signal == 9)
        #expect(try FileSystem.info("/proc/\(killed.pid)") == nil)
    }

    @Test func `a failing program is an error with its words`() {
        let error = #expect(throws: PgkeepError.self) {
            try CommandRunner().check("/bin/sh", ["-c", "echo lost >&2; exit 1"])
        }
        #expect(error?.message.contains("lost") == true)
    }

    @Test func `endings run last in, first out, and the directory goes`() throws {
        var order: [Int] = []
        let path = try ScratchDirectory.with { scratch in
            scratch.atEnd { order.append(1) }
            scratch.atEnd { order.append(2) }
            #expect(scratch.unusedPath("a") != scratch.unusedPath("a"))
            try FileSystem.writeAtomically(scratch.directory("sub") + "/file", [1])
            return scratch.path
        }
        #expect(order == [2, 1])
        #expect(try FileSystem.info(path) == nil)
    }

    @Test func `a seed gives the same numbers, a stream its own`() {
        var first = SeededRandom(seed: 7)
        var second = SeededRandom(seed: 7)
        #expect(first.bytes(100) == second.bytes(100))
        var one = SeededRandom(stream: "one")
        var two = SeededRandom(stream: "two")
        #expect(one.next() != two.next())
    }
}
