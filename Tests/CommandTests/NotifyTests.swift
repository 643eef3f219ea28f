import FoundationEssentials
import Platform
import TestSupport
import Testing

/// Channels as an operator sets them up, each with a receiver nobody here wrote.
struct NotifyTests {
    private struct Report: Decodable {
        var delivered: Int
        var failed: Int
        var pending: Int
        var open: Int
        var vault_reachable: Bool
    }

    private struct Event: Decodable {
        var event: String
        var alert: String
        var severity: String
        var instance: String?
    }

    private static let secret = "marker-7f3c-that-must-show-nowhere"

    /// Receives, checks the signature by Python's own hmac, and writes down what came.
    private static let server = """
        import hashlib, hmac, http.server, sys, time
        out, secret, where = sys.argv[1], open(sys.argv[2], 'rb').read().rstrip(b'\\n'), sys.argv[3]
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers['Content-Length']))
                fields = dict(p.split('=', 1) for p in self.headers['Pgkeep-Signature'].split(','))
                signed = fields['t'].encode() + b'.' + body
                good = hmac.compare_digest(
                    hmac.new(secret, signed, hashlib.sha256).hexdigest(), fields['v1'])
                good = good and abs(time.time() - int(fields['t'])) < 300
                with open(out, 'ab') as file:
                    file.write((b'genuine ' if good else b'forged ') + body)
                if self.path == '/moved':
                    self.send_response(307)
                    self.send_header('Location', 'http://127.0.0.1:1/elsewhere')
                else:
                    self.send_response(500 if self.path == '/broken' else 204)
                self.end_headers()
            def log_message(self, *words): pass
        server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
        with open(where + '.new', 'w') as file: file.write(str(server.server_port))
        import os
        os.rename(where + '.new', where)
        server.serve_forever()
        """

    private func text(_ path: String) -> String {
        (try? FileSystem.readFile(path)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    @Test func `a webhook is signed, retried, follows no redirect, and shows no secret`() throws {
        try CommandLineFixture.with { program in
            let (vault, key) = try program.vault()
            let named = ["PGKEEP_VAULT": vault, "PGKEEP_KEY_FILE": key]
            let secretFile = try program.write(Self.secret + "\n", to: "secret")
            let script = try program.write(Self.server, to: "server.py")
            let (out, port) = (program.scratch.file("out"), program.scratch.file("port"))
            let server = try CommandRunner().start(
                "/usr/bin/python3",
                [script, out, secretFile, port]
            )
            defer { server.kill() }
            try waitUntil("the receiver listens", seconds: 60) { !text(port).isEmpty }
            let base = "http://127.0.0.1:\(text(port))"
            func add(_ name: String, _ path: String) throws -> CommandResult {
                try program.run(
                    "notify",
                    "add",
                    name,
                    "--webhook",
                    base + path,
                    "--secret-file",
                    secretFile,
                    environment: named
                )
            }
            #expect(try add("good", "/token-\(Self.secret)").succeeded)
            #expect(try add("broken", "/broken").succeeded)
            #expect(try add("moved", "/moved").succeeded)
            #expect(try program.run("notify", "test", "good", environment: named).succeeded)
            #expect(text(out).hasPrefix("genuine {"))
            for name in ["broken", "moved"] {
                let failed = try program.run("notify", "test", name, environment: named)
                #expect(failed.exitCode == 7 && failed.errors.contains("HTTP"), "\(failed.errors)")
            }
            let told = try program.run(
                "notify",
                "failure",
                "backup.service",
                "--json",
                environment: named
            )
            let report = try told.document(Report.self)
            #expect(report.delivered >= 1 && report.failed == 2 && report.pending >= 2)
            #expect(text(out).contains("\"alert\":\"unit-failed/backup.service\""))
            #expect(!text(out).contains("forged"))
            // Found neither in what is shown nor in the vault's bytes.
            var shown = told.output + told.errors
            for words in [
                ["notify", "list"], ["notify", "list", "--json"], ["activity", "list", "--json"],
                ["alert", "list", "--all", "--json"], ["notify", "list", "--verbose"],
            ] {
                let result = try program.runner.with(named).pgkeep(words)
                #expect(result.succeeded)
                shown += result.output + result.errors
            }
            #expect(shown.contains("127.0.0.1") && !shown.contains(Self.secret))
            let found = try CommandRunner().run("/bin/grep", ["-rl", Self.secret, vault])
            #expect(found.exitCode == 1)
        }
    }

    @Test func `mail goes through sendmail, and nobody adds a header`() throws {
        try CommandLineFixture.with { program in
            let (vault, key) = try program.vault()
            let mail = program.scratch.file("mail")
            let fake = try program.write(
                "#!/bin/sh\necho \"$@\" > \(mail).args\ncat > \(mail)\n",
                to: "sm"
            )
            try FileSystem.setMode(fake, 0o755)
            let named = ["PGKEEP_VAULT": vault, "PGKEEP_KEY_FILE": key, "PGKEEP_SENDMAIL": fake]
            for address in ["a@b\nBcc: c@d", "-oQ/tmp", "a@b,c@d", ""] {
                let refused = try program.run(
                    "notify",
                    "add",
                    "x",
                    "--email=\(address)",
                    environment: named
                )
                #expect(refused.exitCode == 64, "\(address)")
            }
            #expect(
                try program.run(
                    "notify",
                    "add",
                    "duty",
                    "--email",
                    "duty@example.org",
                    environment: named
                )
                .succeeded
            )
            let told = try program.run(
                "notify",
                "failure",
                "prüfen",
                "--message",
                "no\nBcc: evil@example.org",
                environment: named
            )
            #expect(told.succeeded)
            let head = text(mail).split(separator: "\n\n").first ?? ""
            #expect(head.contains("To: duty@example.org\nSubject: [pgkeep] critical opened"))
            #expect(!head.contains("evil") && head.unicodeScalars.allSatisfy(\.isASCII))
            #expect(text(mail).contains("prüfen failed: no Bcc: evil@example.org"))
            #expect(text(mail + ".args").hasPrefix("-t"))
        }
    }

    @Test func `a failing unit is told once, and its recovery, also by a command`() throws {
        try CommandLineFixture.with { program in
            let (vault, key) = try program.vault()
            let named = ["PGKEEP_VAULT": vault, "PGKEEP_KEY_FILE": key]
            let out = program.scratch.file("out")
            _ = try program.run(
                "notify",
                "add",
                "page",
                "--exec",
                "cat >> \(out)",
                environment: named
            )
            for _ in 0..<5 {
                let told = try program.run("notify", "failure", "prune", environment: named)
                #expect(told.succeeded)
            }
            #expect(try program.run("notify", "recovered", "prune", environment: named).succeeded)
            let events = try text(out).split(separator: "\n").map {
                try JSONDecoder().decode(Event.self, from: Data($0.utf8))
            }
            #expect(events.map(\.event) == ["opened", "resolved"])
            #expect(
                events.allSatisfy { $0.alert == "unit-failed/prune" && $0.severity == "critical" }
            )
            let status = try program.run("status", environment: named)
            #expect(!status.errors.contains("unit-failed"))
        }
    }

    @Test func `a vault that is away is told once by the config file's channels, and its return`()
        throws
    {
        try CommandLineFixture.with { program in
            let (vault, key) = try program.vault()
            let out = program.scratch.file("out")
            try program.writeConfig(
                "vault: \(vault)\nkey_file: \(key)\nalert_exec: cat >> \(out)\n"
            )
            #expect(try program.run("alert", "check").succeeded)
            try FileSystem.rename(vault, to: vault + ".away")
            // It opens only after a minute, so what failed is told at once and the vault is not.
            for _ in 0..<3 {
                let checked = try program.run("alert", "check", "--json").document(Report.self)
                #expect(!checked.vault_reachable)
            }
            #expect(text(out).isEmpty)
            for _ in 0..<3 { #expect(try program.run("notify", "failure", "prune").succeeded) }
            let opened = text(out).split(separator: "\n")
            #expect(opened.count == 1 && opened[0].contains("unit-failed/prune"))
            try FileSystem.rename(vault + ".away", to: vault)
            #expect(try program.run("notify", "recovered", "prune").succeeded)
            #expect(text(out).split(separator: "\n").count == 2)
            // Without a channel that needs no vault there is nobody to tell.
            try program.writeConfig("vault: \(vault)\nkey_file: \(key)\n")
            try FileSystem.rename(vault, to: vault + ".away")
            #expect(try program.run("alert", "check").exitCode == 4)
        }
    }
}
