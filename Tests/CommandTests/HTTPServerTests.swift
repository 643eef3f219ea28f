import Domain
import Platform
import TestSupport
import Testing

/// The agent's HTTP interface and its words to the service manager, with a live server.
@Suite(.enabled(if: PostgresInstallation.serversWanted))
struct HTTPServerTests {
    /// The names of figures that a text speaks of.
    private func names(_ text: String) -> Set<String> {
        Set(text.matches(of: /pgkeep_[a-z_]+/).map { String($0.output) })
    }

    private func packaged(_ name: String) throws -> String {
        let file = FileSystem.resolved("\(#filePath)") ?? "\(#filePath)"
        let root = file.split(separator: "/").dropLast(3).reduce(into: "") { $0 += "/" + $1 }
        let path = "\(root)/Sources/Agent/Packaging/monitoring/\(name)"
        return String(decoding: try FileSystem.readFile(path), as: UTF8.self)
    }

    private func withProtected(
        _ body: (AgentFixture, PostgresServer) throws -> Void
    ) throws {
        let installation = try PostgresInstallation.required(16)
        try PostgresServer.with(installation) { server, _ in
            try AgentFixture.with { fixture in
                let added = try fixture.program.runner.with(fixture.settings)
                    .pgkeep(["instance", "add", "main", "--source", server.conninfo])
                #expect(added.succeeded, "\(added.errors)")
                try body(fixture, server)
            }
        }
    }

    @Test func `rules and dashboard speak of figures there are, and the checker is content`() throws
    {
        try withProtected { fixture, _ in
            try fixture.running { address, _ in
                try waitUntil("the stream is told of", seconds: 120) {
                    try RawHTTP.ask(address, "/metrics").body
                        .contains("\npgkeep_stream_connected{name=\"main\"} 1\n")
                }
                try waitUntil("the agent is ready", seconds: 120) {
                    try RawHTTP.ask(address, "/readyz").status == 200
                }
                try waitUntil("memory has been looked at", seconds: 120) {
                    try RawHTTP.ask(address, "/metrics").body
                        .contains("\npgkeep_agent_child_resident_memory_bytes{")
                }
                let metrics = try RawHTTP.ask(address, "/metrics").body
                #expect(try Promtool.complaints(metrics) == "")
                let child = "{work=\"wal stream\",name=\"main\"}"
                #expect(metrics.contains("\npgkeep_agent_child_running\(child) 1\n"))
                #expect(metrics.contains("\npgkeep_agent_instance_owned{name=\"main\"} 1\n"))
                #expect(
                    metrics.contains(
                        "\npgkeep_protection_state{name=\"main\",state=\"protected\"} 1\n"
                    )
                )
                // Those are there only when something is the matter, or somebody has looked.
                let there = names(metrics).union([
                    "pgkeep_alert", "pgkeep_alert_check_timestamp_seconds",
                ])
                for file in ["pgkeep.rules.yml", "dashboard.json"] {
                    let unknown = names(try packaged(file)).subtracting(there)
                    #expect(unknown.isEmpty, "\(file): \(unknown.sorted())")
                }
            }
        }
    }

    @Test func `an instance's documents are those of the commands`() throws {
        try withProtected { fixture, _ in
            try fixture.running { address, _ in
                for (path, words) in [
                    ("/v1/instances/main", ["instance", "show", "main"]),
                    ("/v1/instances/main/points", ["backup", "list", "main"]),
                ] {
                    let told = try fixture.program.runner.with(fixture.settings)
                        .pgkeep(words + ["--json"]).output
                    #expect(try RawHTTP.ask(address, path).body == told)
                }
                let window = try RawHTTP.ask(address, "/v1/instances/main/window")
                #expect(window.status == 200 && window.body.contains("\"intervals\""))
                let wal = try RawHTTP.ask(address, "/v1/instances/main/wal")
                #expect(wal.status == 200 && wal.body.contains("\"durable_lsn\""))
                let jobs = try RawHTTP.ask(address, "/v1/jobs?kind=backup")
                let id = try #require(jobs.body.firstMatch(of: /"id" : "([0-9a-f-]+)"/)).1
                let job = try RawHTTP.ask(address, "/v1/jobs/\(id)")
                let told = try fixture.document("job", "show", String(id))
                #expect(job.body == told)
            }
        }
    }

    @Test func `the service manager hears that it is ready, lives and ends`() throws {
        try AgentFixture.with { fixture in
            let path = fixture.program.scratch.file("notify")
            let inbox = try DatagramInbox(path)
            let agent = try fixture.start(
                ["--no-http"],
                environment: ["NOTIFY_SOCKET": path, "WATCHDOG_USEC": "3000000"]
            )
            for word in ["READY=1\n", "WATCHDOG=1\n", "STATUS=instances: 0 of 0, children: "] {
                try waitUntil("the agent says \(word)") { inbox.text.contains(word) }
            }
            let signs = inbox.text.matches(of: /WATCHDOG=1/).count
            try waitUntil("it says so again and again") {
                inbox.text.matches(of: /WATCHDOG=1/).count > signs + 1
            }
            #expect(!inbox.text.contains("STOPPING=1"))
            #expect(agent.terminate(seconds: 120).succeeded)
            #expect(inbox.text.contains("STOPPING=1\n"))
            #expect(!agent.errorsSoFar.contains("are served"))
        }
    }
}
