import Domain
import Glibc
import Platform
import TestSupport
import Testing

/// What an agent does with its children: waits for them, bounds them, and begins each day's work.
@Suite(.enabled(if: PostgresInstallation.serversWanted))
struct AgentChildrenTests {
    /// Makes each process larger than it is by 100 MiB.
    private static let ballast = """
        #include <stdlib.h>
        #include <string.h>
        static char *volatile held;
        __attribute__((constructor)) static void begin(void) {
            held = malloc(100 << 20);
            if (held) memset(held, 1, 100 << 20);
        }
        """

    @Test(arguments: [("240s", true), ("1s", false)])
    func `a running backup may end within --stop-timeout, and is cancelled behind it`(
        timeout: String,
        completes: Bool
    ) throws {
        try AgentFixture.with { fixture in
            let server = try fixture.server()
            try fixture.add(server, "main")
            // Some twenty seconds for what initdb makes.
            try fixture.pgkeep("policy", "set", "default", "--max-rate", "1024")
            let agent = try fixture.agent("--stop-timeout", timeout)
            try waitUntil("the backup runs", seconds: 120) {
                try fixture.jobs().contains { $0.kind == "backup" && $0.state == "running" }
            }
            try agent.end()
            #expect(try fixture.points("main").count == (completes ? 1 : 0))
            let job = try #require(try fixture.jobs().first { $0.kind == "backup" })
            #expect(job.state == (completes ? "completed" : "cancelled"))
        }
    }

    @Test func `a child that grows too large is ended and started anew`() throws {
        try AgentFixture.with { plain in
            let ballast = try PreloadedLibrary.build(Self.ballast, in: plain.scratch)
            let fixture = plain.with(["LD_PRELOAD": ballast])
            let server = try fixture.server()
            try fixture.add(server, "main")
            let config = fixture.scratch.file("config.yaml")
            func limit(_ size: String) throws {
                try FileSystem.writeAtomically(
                    config,
                    Array("agent:\n  child_memory_limit: \(size)\n".utf8)
                )
            }
            try limit("64MiB")
            let agent = try fixture.agent("--config", config)
            try agent.waitForStream("main")
            try agent.waitFor("is ended and started anew", instance: "main")
            try limit("1GiB")
            agent.command.signal(SIGHUP)
            try agent.waitFor("settings were read anew")
            try fixture.waitForWAL(server, "main")
            #expect(try fixture.status("main").gaps.isEmpty)
            try agent.end()
        }
    }

    @Test func `an instance that is deleted elsewhere is left alone, and undeleted taken up`()
        throws
    {
        try AgentFixture.with { fixture in
            let server = try fixture.server()
            try fixture.add(server, "main")
            let agent = try fixture.agent()
            let stream = try agent.waitForStream("main")
            try agent.waitFor("a backup was taken", instance: "main")
            struct Plan: Decodable { var token: String }
            let plan = try fixture.ask(["instance", "delete", "main", "--plan"], as: Plan.self)
            try fixture.pgkeep(
                "instance",
                "delete",
                "main",
                "--token",
                plan.token,
                "--confirm-name",
                "main",
                "--reason",
                "migrated",
                "--yes"
            )
            try RunningAgent.waitUntilGone([stream])
            try fixture.pgkeep("instance", "undelete", "main")
            try fixture.pgkeep("instance", "resume", "main")
            try agent.waitForStream("main")
            try fixture.waitForWAL(server, "main")
            try agent.end()
        }
    }

    @Test func `the vault is pruned and looked through once a day`() throws {
        try AgentFixture.with { fixture in
            let clock = try ShiftedClock(in: fixture.scratch)
            let shifted = fixture.with(clock.variables)
            let server = try shifted.server()
            try shifted.add(server, "main")
            let agent = try shifted.agent()
            try agent.waitForStream("main")
            for day in 1...2 {
                for kind in ["prune", "check"] {
                    try waitUntil("\(kind) \(day) is done", seconds: 120) {
                        try shifted.jobs().filter { $0.kind == kind && $0.state == "completed" }
                            .count == day
                    }
                }
                try clock.advance(seconds: 86_400)
            }
            let jobs = try shifted.jobs().filter { ["prune", "check"].contains($0.kind) }
            #expect(jobs.allSatisfy { $0.trigger == "agent" }, "\(jobs)")
            try agent.end()
        }
    }
}
