import Domain
import Glibc
import Platform
import TestSupport
import Testing

/// An agent as a process, with real servers, and all of them killed.
@Suite(.enabled(if: PostgresInstallation.serversWanted))
struct AgentServerTests {
    @Test func `child, server and agent are killed: it streams on, and nothing is left behind`()
        throws
    {
        try AgentFixture.with { fixture in
            let server = try fixture.server()
            try fixture.add(server, "main")
            var agent = try fixture.agent()
            // Nobody asked for a backup: it is due, so it is taken.
            try agent.waitFor("a backup was taken", instance: "main")
            var stream = try agent.waitForStream("main")
            try server.psql("create table t (n int)")
            try fixture.waitForWAL(server, "main")

            kill(stream, SIGKILL)
            stream = try agent.waitForStream("main", otherThan: stream)
            try server.psql("insert into t select generate_series(1, 1000)")
            try fixture.waitForWAL(server, "main")

            try server.kill()
            try server.start()
            try server.psql("insert into t select generate_series(1, 1000)")
            try fixture.waitForWAL(server, "main")
            #expect(agent.stream("main") == stream, "a stream waits for its server")

            let children = agent.children
            #expect(children.contains(stream))
            agent.command.kill()
            try RunningAgent.waitUntilGone(children)

            agent = try fixture.agent()
            try agent.waitForStream("main")
            try server.psql("insert into t select generate_series(1, 1000)")
            try fixture.waitForWAL(server, "main")
            #expect(try fixture.status("main").gaps.isEmpty)

            try agent.end()
            let said = agent.lines.filter { $0.task == "stream" }.map(\.message)
            #expect(said.contains { $0.hasPrefix("WAL is durable up to") }, "\(said)")
            #expect(try !fixture.status("main").streaming)
        }
    }

    @Test func `what is added, stopped, resumed and deleted elsewhere is taken up`() throws {
        try AgentFixture.with { fixture in
            let agent = try fixture.agent()
            try agent.waitFor("agent begins")
            let server = try fixture.server()
            try fixture.add(server, "main")
            let stream = try agent.waitForStream("main")
            try fixture.waitForWAL(server, "main")

            try fixture.pgkeep("instance", "stop", "main", "--retain", "forever", "--yes")
            try RunningAgent.waitUntilGone([stream])
            try fixture.pgkeep("instance", "resume", "main")
            try agent.waitForStream("main")
            try fixture.waitForWAL(server, "main")
            try agent.end()
        }
    }

    @Test func `a vault that vanishes is waited for, and all goes on when it is back`() throws {
        try AgentFixture.with { fixture in
            let server = try fixture.server()
            try fixture.add(server, "main")
            let agent = try fixture.agent()
            try agent.waitForStream("main")
            try fixture.waitForWAL(server, "main")

            let away = fixture.scratch.file("away")
            try FileSystem.rename(fixture.vault, to: away)
            // An empty mount point is no vault without instances.
            try FileSystem.makeDirectory(fixture.vault)
            try agent.waitFor("the vault is out of reach")
            try server.psql("create table t as select generate_series(1, 1000)")
            #expect(rmdir(fixture.vault) == 0)
            try FileSystem.rename(away, to: fixture.vault)
            try agent.waitFor("the vault is back")
            try fixture.waitForWAL(server, "main")
            #expect(try fixture.status("main").gaps.isEmpty)
            try agent.end()
        }
    }

    @Test func `one of two agents is killed and the other has its instances at once`() throws {
        try AgentFixture.with { fixture in
            let server = try fixture.server()
            try fixture.add(server, "main")
            let first = try fixture.agent()
            let stream = try first.waitForStream("main")
            let second = try fixture.agent()
            try second.waitFor("agent begins")
            try fixture.waitForWAL(server, "main")
            #expect(second.stream("main") == nil)

            first.command.kill()
            try RunningAgent.waitUntilGone([stream])
            try second.waitFor("takes care of an instance", instance: "main")
            try second.waitForStream("main")
            try fixture.waitForWAL(server, "main")
            #expect(try fixture.status("main").gaps.isEmpty)
            try second.end()
        }
    }

    @Test func `a suspended agent loses its instances, and leaves them alone when it wakes up`()
        throws
    {
        try AgentFixture.with { fixture in
            let server = try fixture.server()
            try fixture.add(server, "main")
            let sleeper = try fixture.agent()
            let stream = try sleeper.waitForStream("main")
            try fixture.waitForWAL(server, "main")
            let other = try fixture.agent()
            try other.waitFor("agent begins")

            sleeper.command.signal(SIGSTOP)
            defer { sleeper.command.signal(SIGCONT) }
            try other.waitFor("takes care of an instance", instance: "main")
            // The sleeper's stream is awake and goes on: there are never two.
            try other.waitFor("somebody else is at it", instance: "main")
            #expect(PostgresServer.processState(stream) != nil)
            try server.psql("create table t as select generate_series(1, 1000)")
            try fixture.waitForWAL(server, "main")

            sleeper.command.signal(SIGCONT)
            try sleeper.waitFor("another agent has taken over", instance: "main")
            try RunningAgent.waitUntilGone([stream])
            try other.waitForStream("main")
            try server.psql("insert into t select generate_series(1, 1000)")
            try fixture.waitForWAL(server, "main")
            #expect(sleeper.stream("main") == nil)
            #expect(try fixture.status("main").gaps.isEmpty)
            try sleeper.end()
            try other.end()
        }
    }
}
