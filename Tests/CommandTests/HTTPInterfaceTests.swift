import Domain
import FoundationEssentials
import Platform
import TestSupport
import Testing

/// The agent's HTTP interface, asked by a blocking client: the agent is a process of its own.
struct HTTPInterfaceTests {
    private struct Readiness: Decodable {
        struct Reason: Decodable {
            var subject: String
            var what: String
        }

        var ready: Bool
        var reasons: [Reason]
    }

    private func failure(_ answer: RawHTTP.Answer) throws -> FailureDocument.Content {
        try JSONDecoder().decode(FailureDocument.self, from: Data(answer.body.utf8)).error
    }

    @Test func `an agent serves health, figures and the documents of the commands`() throws {
        try AgentFixture.with { fixture in
            try fixture.running { address, _ in
                #expect(try RawHTTP.ask(address, "/healthz").status == 200)
                try waitUntil("the agent is ready") {
                    try RawHTTP.ask(address, "/readyz").status == 200
                }
                let metrics = try RawHTTP.ask(address, "/metrics")
                #expect(metrics.status == 200)
                #expect(metrics.headers["content-type"]?.hasPrefix("text/plain; version=0") == true)
                #expect(metrics.body.contains("\npgkeep_vault_up 1\n"))
                #expect(metrics.body.contains("\nprocess_resident_memory_bytes "))
                #expect(try Promtool.complaints(metrics.body) == "")
                for (path, words) in [
                    ("/v1/instances", ["instance", "list"]),
                    ("/v1/alerts?all=true", ["alert", "list", "--all"]),
                ] {
                    let answer = try RawHTTP.ask(address, path)
                    #expect(answer.status == 200)
                    #expect(answer.headers["content-type"] == "application/json; charset=utf-8")
                    #expect(answer.headers["age"] != nil)
                    #expect(answer.headers["cache-control"] == "no-store")
                    let told = try fixture.program.runner.with(fixture.settings)
                        .pgkeep(words + ["--json"]).output
                    #expect(answer.body == told)
                }
                for path in [
                    "/v1/status", "/v1/usage", "/v1/jobs?since=1d&kind=backup", "/v1/agent",
                ] {
                    #expect(try RawHTTP.ask(address, path).status == 200, "\(path)")
                }
                let head = try RawHTTP.ask(address, "/v1/status", method: "HEAD")
                #expect(head.status == 200 && head.body.isEmpty)
                #expect(head.headers["content-length"].flatMap(Int.init) ?? 0 > 0)
            }
        }
    }

    @Test func `what is wrong is told with a status, a code and a next step`() throws {
        try AgentFixture.with { fixture in
            try fixture.running { address, _ in
                let cases = [
                    ("/nothing", 404, "not-found"), ("/v1", 404, "not-found"),
                    ("/v1/instances/none", 404, "not-found"),
                    ("/v1/instances/none/wal", 404, "not-found"),
                    ("/v1/instances/none/nothing", 404, "not-found"),
                    ("/v1/instances/UPPER%20case", 400, "usage"),
                    ("/v1/jobs/ffff", 404, "not-found"),
                    ("/v1/jobs?since=yesterday", 400, "usage"),
                    ("/v1/jobs?sinse=1d", 400, "usage"),
                    ("/v1/jobs?status=lost", 400, "usage"),
                ]
                for (path, status, code) in cases {
                    let answer = try RawHTTP.ask(address, path)
                    #expect(answer.status == status, "\(path)")
                    let told = try failure(answer)
                    #expect(told.code == code && !told.message.isEmpty && !told.hint.isEmpty)
                }
                for method in ["POST", "PUT", "DELETE", "PATCH"] {
                    let answer = try RawHTTP.ask(address, "/v1/instances", method: method)
                    #expect(answer.status == 405)
                    #expect(answer.headers["allow"] == "GET, HEAD")
                    #expect(try failure(answer).code == "refused")
                }
                let write = "/v1/alerts/gap/main/ack"
                #expect(try RawHTTP.ask(address, write, method: "POST").status == 403)
                // A page in a browser that had its own name lead here gets nothing.
                let led = try RawHTTP.ask(address, "/v1/status", host: "evil.example")
                #expect(led.status == 421)
                for host in ["localhost:9931", "127.0.0.1", "[::1]:80"] {
                    #expect(try RawHTTP.ask(address, "/v1/agent", host: host).status == 200)
                }
            }
        }
    }

    @Test func `a token is asked for everywhere but at healthz, and beyond this host always`()
        throws
    {
        try AgentFixture.with { fixture in
            let token = "0123456789abcdef0123456789abcdef"
            let file = try fixture.program.write("\n  \(token)\n", to: "token")
            try fixture.running(["--listen", "0.0.0.0:0", "--token-file", file]) { address, agent in
                #expect(try RawHTTP.ask(address, "/healthz").status == 200)
                for path in ["/metrics", "/readyz", "/v1/status", "/v1/agent", "/nothing"] {
                    for shown in [
                        [], ["Authorization: Bearer \(token)x"], ["Authorization: Bearer "],
                        ["Authorization: Basic \(token)"],
                        ["Authorization: Bearer \(token.dropLast())"],
                    ] {
                        let answer = try RawHTTP.ask(address, path, headers: shown)
                        #expect(answer.status == 401, "\(path) \(shown)")
                        #expect(answer.headers["www-authenticate"]?.hasPrefix("Bearer") == true)
                        #expect(!answer.body.contains(token))
                    }
                }
                let shown = ["Authorization: Bearer \(token)"]
                for path in ["/metrics", "/v1/status", "/v1/agent"] {
                    #expect(try RawHTTP.ask(address, path, headers: shown).status == 200)
                }
                let ack = try RawHTTP.ask(
                    address,
                    "/v1/alerts/gap/main/ack",
                    method: "POST",
                    headers: shown
                )
                #expect(ack.status == 404)
                #expect(try failure(ack).code == "not-found")
                #expect(!agent.errorsSoFar.contains(token))
            }
            let open = try fixture.start(["--listen", "0.0.0.0:0"]).wait()
            #expect(open.exitCode == 3)
            #expect(open.errors.contains("--token-file"))
            try FileSystem.setMode(file, 0o644)
            let readable = try fixture.start(["--token-file", file]).wait()
            #expect(readable.exitCode == 3)
            #expect(readable.errors.contains("chmod 600 \(file)"))
            for address in ["9931", ":9931", "localhost:99999", "unix:relative", "::1:80"] {
                #expect(try fixture.start(["--listen", address]).wait().exitCode == 64)
            }
        }
    }

    @Test func `a socket belongs to one agent, and one that was killed leaves no obstacle`() throws
    {
        try AgentFixture.with { fixture in
            let path = fixture.program.scratch.file("agent.sock")
            let options = ["--listen", "unix:\(path)"]
            let first = try fixture.start(options + ["--socket-mode", "0660"])
            #expect(try fixture.address(of: first) == "unix:\(path)")
            try waitUntil("the socket has its mode") {
                try FileSystem.info(path)?.mode == 0o660
            }
            #expect(try RawHTTP.ask("unix:\(path)", "/v1/agent").status == 200)
            let second = try fixture.start(options)
            try second.waitForOutput("metrics and health are not served", seconds: 120)
            #expect(second.errorsSoFar.contains("another process listens"))
            #expect(second.isRunning, "an agent that cannot serve goes on protecting")
            second.terminate(seconds: 120)
            #expect(try RawHTTP.ask("unix:\(path)", "/v1/agent").status == 200)
            first.kill()
            #expect(try FileSystem.info(path) != nil, "nothing is left to be in the way")
            try fixture.running(options) { address, _ in
                let told = try RawHTTP.ask(address, "/v1/agent")
                let mode = try FileSystem.info(path)?.mode
                #expect(told.status == 200 && mode == 0o600)
            }
            let file = try fixture.program.write("mine", to: "file.sock")
            let third = try fixture.start(["--listen", "unix:\(file)"])
            try third.waitForOutput("is no socket", seconds: 120)
            third.terminate(seconds: 120)
            #expect(try FileSystem.readFile(file) == Array("mine".utf8))
        }
    }

    @Test func `who sends too much or too slowly is cut off, and others are served`() throws {
        try AgentFixture.with { fixture in
            try fixture.running { address, _ in
                let slow = try RawHTTP(address)
                slow.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
                let silent = try RawHTTP(address)
                let body = try RawHTTP(address)
                body.send(
                    "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n"
                )
                #expect(try RawHTTP.answer(body.readAll()).status == 413)
                let long = try RawHTTP.ask(
                    address,
                    "/healthz",
                    headers: ["X-Long: " + String(repeating: "x", count: 40_000)]
                )
                #expect([400, 431].contains(long.status))
                let path = try RawHTTP.ask(address, "/" + String(repeating: "x", count: 40_000))
                #expect([400, 414, 431].contains(path.status))
                let garbage = try RawHTTP(address)
                garbage.send("\u{1}\u{2}nothing of HTTP\r\n\r\n")
                let refused = try garbage.readAll()
                #expect(!refused.contains(" 200 "))
                // Two requests at once on one connection are answered in turn.
                let twice = try RawHTTP(address)
                let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
                twice.send(request + "\r\n" + request + "Connection: close\r\n\r\n")
                #expect(try twice.readAll().split(separator: "HTTP/1.1 200").count == 2)
                #expect(try RawHTTP.ask(address, "/healthz").status == 200)
                // Both end without ever having been answered.
                #expect(try slow.readAll() == "")
                #expect(try silent.readAll() == "")
                #expect(try RawHTTP.ask(address, "/healthz").status == 200)
            }
        }
    }

    @Test func `a vault that is gone is said at once, and the agent is still asked`() throws {
        try AgentFixture.with { fixture in
            try fixture.running { address, _ in
                try waitUntil("the agent is ready") {
                    try RawHTTP.ask(address, "/readyz").status == 200
                }
                try FileSystem.rename(fixture.vault, to: fixture.vault + ".away")
                try waitUntil("the figures say so") {
                    try RawHTTP.ask(address, "/metrics").body.contains("\npgkeep_vault_up 0\n")
                }
                let metrics = try RawHTTP.ask(address, "/metrics")
                #expect(metrics.status == 200)
                #expect(metrics.body.contains("\npgkeep_agent_stopping 0\n"))
                #expect(!metrics.body.contains("pgkeep_vault_bytes"), "what was once is told")
                try waitUntil("it is not ready") {
                    try RawHTTP.ask(address, "/readyz").status == 503
                }
                let ready = try JSONDecoder().decode(
                    Readiness.self,
                    from: Data(RawHTTP.ask(address, "/readyz").body.utf8)
                )
                #expect(!ready.ready && ready.reasons.contains { $0.subject == "vault" })
                let status = try RawHTTP.ask(address, "/v1/status")
                #expect(status.status >= 400)
                let hint = try failure(status).hint
                #expect(!hint.isEmpty)
                #expect(try RawHTTP.ask(address, "/healthz").status == 200)
                try FileSystem.rename(fixture.vault + ".away", to: fixture.vault)
                try waitUntil("it is ready again", seconds: 120) {
                    try RawHTTP.ask(address, "/readyz").status == 200
                }
                #expect(try RawHTTP.ask(address, "/v1/status").status == 200)
            }
        }
    }
}
