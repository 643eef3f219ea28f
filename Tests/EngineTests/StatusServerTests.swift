import Domain
import FoundationEssentials
import Platform
import TestSupport
import Testing

/// What status and doctor say of a live server, as it comes and goes.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct StatusServerTests {
    private struct Status: Decodable {
        struct Instance: Decodable {
            struct Reason: Decodable {
                var state: String
                var what: String
                var next: String
            }

            var name: String
            var state: String
            var reasons: [Reason]
            var points: Int
            var damagedPoints: Int
            var windowFrom: Timestamp?
            var windowTo: Timestamp?
            var streaming: Bool
            var rpoSeconds: Double?
        }

        var state: String?
        var instances: [Instance]
    }

    private struct Doctor: Decodable {
        struct Finding: Decodable {
            var subject: String
            var check: String
            var outcome: String
            var what: String
            var fix: String
        }

        var findings: [Finding]
        var failures: Int32

        func outcome(_ check: String, of subject: String = "main") -> String? {
            findings.first { $0.check == check && $0.subject == subject }?.outcome
        }

        func failing() -> [String] {
            findings.filter { $0.outcome == "failure" }.map { "\($0.check): \($0.what)" }
        }
    }

    private func status(_ protected: ProtectedServer) throws -> Status.Instance {
        let status = try protected.ask(["status"], as: Status.self)
        let instance = try #require(status.instances.first)
        #expect(status.state == instance.state)
        return instance
    }

    /// Runs doctor; its exit code is the number of failures.
    private func doctor(_ protected: ProtectedServer) throws -> Doctor {
        let result = try protected.pgkeep([
            "doctor", "--instance", ProtectedServer.name, "--json", "--pg-bin",
            protected.server.installation.binaries,
        ])
        let report = try ProtectedServer.read(result, as: Doctor.self)
        #expect(result.exitCode == report.failures)
        #expect(
            report.findings.allSatisfy { finding in
                !["failure", "warning"].contains(finding.outcome) || !finding.fix.isEmpty
            }
        )
        return report
    }

    @Test func `protection follows the server, the stream and the points`() throws {
        let major = try #require(PostgresInstallation.testedMajors.last)
        try ProtectedServer.with(PostgresInstallation.required(major)) { protected in
            let stream = try protected.startStream()
            try protected.server.psql("create table told ()")
            try protected.waitUntilStreamed()
            try waitUntil("status says protected", seconds: 120) {
                let now = try status(protected)
                return now.state == "protected" && now.streaming && now.rpoSeconds == 0
            }
            let well = try status(protected)
            #expect(well.reasons.isEmpty && well.points == 1 && well.damagedPoints == 0)
            let from = try #require(well.windowFrom)
            #expect(from == (try protected.window().intervals.first).map(\.earliest))

            // The server goes in order: all it had is in the vault.
            try protected.server.stop()
            try waitUntil("status says paused", seconds: 120) {
                try status(protected).state == "paused"
            }
            let paused = try status(protected)
            #expect(paused.reasons.map(\.next) == ["pgkeep doctor --instance main"])
            #expect(try doctor(protected).outcome("connect") == "failure")
            try protected.server.start()
            try waitUntil("status says protected again", seconds: 120) {
                try status(protected).state == "protected"
            }
            #expect(stream.terminate().succeeded)

            // A point whose root is damaged is none that protects.
            let root = try #require(try rootFile(protected))
            var bytes = try FileSystem.readFile(root)
            bytes[bytes.count / 2] ^= 1
            try FileSystem.writeAtomically(root, bytes)
            try ServerUser.own(root)
            let damaged = try status(protected)
            #expect(damaged.state == "not-protected" && damaged.damagedPoints == 1)
            #expect(damaged.reasons.first?.next == "pgkeep backup create main")
            try protected.backup()
            #expect(try status(protected).state == "degraded")

            // A backup that fails is said until one succeeds, with the job that tells more.
            try protected.server.stop()
            #expect(try protected.pgkeep(["backup", "create", "main"]).exitCode == 7)
            let failed = try #require(
                try status(protected).reasons.first { $0.what.contains("source.unreachable") }
            )
            let words = failed.next.split(separator: " ").dropFirst().map(String.init)
            #expect(words.starts(with: ["job", "show"]))
            try protected.succeed(words)
            try protected.server.start()
            try protected.backup()
            let mended = try status(protected).reasons
            #expect(!mended.contains { $0.what.contains("failed") })
        }
    }

    private func rootFile(_ protected: ProtectedServer) throws -> String? {
        let text = try CommandRunner().check(
            "/usr/bin/find",
            [protected.vault, "-path", "*/rp/*", "-type", "f"]
        )
        return text.split(separator: "\n").first.map(String.init)
    }

    @Test func `doctor finds what is in the way and says how to mend it`() throws {
        let major = try #require(PostgresInstallation.testedMajors.last)
        var options = PostgresServer.Options()
        options.settings = ["max_slot_wal_keep_size": "1GB"]
        try ProtectedServer.with(
            PostgresInstallation.required(major),
            options: options
        ) { protected in
            let server = protected.server
            let stream = try protected.startStream()
            let sound = try doctor(protected)
            #expect(sound.failures == 0, "\(sound.failing())")
            for check in [
                "connect", "wal_level", "identity", "slot", "clock", "max_wal_senders", "stream",
                "points", "programs",
            ] {
                #expect(sound.outcome(check) == "ok", "\(check)")
            }
            #expect(sound.outcome("write", of: "vault") == "ok")
            #expect(sound.outcome("max_slot_wal_keep_size") == nil)
            #expect(stream.terminate().succeeded)

            // No slot, no limit of what one keeps, commits that wait for nobody.
            try server.psql("select pg_drop_replication_slot('pgkeep_main')")
            try server.addSettings([
                "max_slot_wal_keep_size": "-1", "synchronous_standby_names": "pgkeep",
            ])
            try server.reload()
            try waitUntil("the settings are there") {
                try server.psql("show synchronous_standby_names") == "pgkeep"
            }
            let ill = try doctor(protected)
            #expect(ill.outcome("slot") == "failure")
            #expect(ill.outcome("synchronous_standby_names") == "failure")
            #expect(ill.outcome("max_slot_wal_keep_size") == "warning")
            #expect(ill.failures == 2, "\(ill.failing())")

            // A login that is refused: the line of pg_hba.conf is named, and nothing else is asked.
            try server.setHostAccess(["local all all trust"])
            try server.reload()
            let barred = try doctor(protected)
            #expect(barred.outcome("connect") == "failure")
            let fix = barred.findings.first { $0.check == "connect" }?.fix
            #expect(fix?.contains("replication") == true)
            #expect(barred.outcome("slot") == nil)
        }
    }

    @Test func `doctor tells another server from the one that was added`() throws {
        let major = try #require(PostgresInstallation.testedMajors.last)
        try ProtectedServer.with(PostgresInstallation.required(major)) { protected in
            let other = try PostgresServer.create(
                PostgresInstallation.required(major),
                in: protected.scratch
            )
            try protected.lead(to: other)
            let report = try doctor(protected)
            #expect(report.outcome("identity") == "failure")
            #expect(report.outcome("slot") == "failure")
        }
    }

    @Test func `doctor examines every server, and one that is sound will do`() throws {
        let major = try #require(PostgresInstallation.testedMajors.last)
        try ProtectedServer.with(PostgresInstallation.required(major)) { protected in
            let standby = try protected.server.createStandby()
            try protected.succeed(["instance", "add", "main", "--source", standby.conninfo])
            func outcomes(_ check: String) throws -> [String] {
                let report = try doctor(protected).findings.filter { $0.check == check }
                #expect(report.allSatisfy { $0.what.hasPrefix("at ") })
                #expect(Set(report.map(\.what)).count == report.count)
                return report.map(\.outcome)
            }
            #expect(try outcomes("connect") == ["ok", "ok"])
            #expect(try outcomes("identity") == ["ok", "ok"])

            try standby.stop()
            #expect(try outcomes("connect") == ["ok", "warning"])
            try standby.start()
            try protected.server.stop()
            // The standby has no slot yet, so with it alone nothing is sound.
            #expect(try outcomes("connect") == ["failure", "ok"])
            #expect(try outcomes("slot") == ["failure"])
            try protected.server.start()
            #expect(try doctor(protected).failures == 0)
        }
    }
}
