import Domain
import Platform
import Postgres
import TestSupport
import Testing

@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct PreflightTests {
    private func run(_ conninfo: String) throws -> Preflight {
        try Preflight.run(ConnectionSettings(conninfo), applicationName: "test")
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `a replication role learns what the server is like`(major: Int) throws {
        var options = PostgresServer.Options(settings: ["max_slot_wal_keep_size": "1GB"])
        options.segmentMegabytes = 1
        options.groupAccess = true
        options.checksums = false
        try PostgresServer.with(.required(major), options: options) { server, _ in
            try server.psql("create role bk login replication")
            let preflight = try run(server.conninfo(user: "bk"))
            let profile = preflight.profile
            #expect(profile.version.major == major)
            #expect(profile.identity.systemIdentifier.rawValue == (try server.systemIdentifier()))
            #expect(profile.identity.timeline == 1)
            #expect(profile.segmentSize.bytes == 1 << 20 && profile.blockSize == 8192)
            #expect(profile.walLevel == "replica" && !profile.hasDataChecksums)
            #expect(profile.dataDirectoryMode == 0o750 && profile.fileMode == 0o640)
            #expect(profile.recoveryFloor.maxConnections == 50)
            #expect(profile.maxSlotWALKeepBytes == 1 << 30)
            #expect(profile.walSenderTimeout == 60)
            #expect(!profile.isInRecovery && !profile.isSuperuser && profile.fullPageWrites)
            #expect(preflight.hasSQL)
            try preflight.check()
            let texts = preflight.findings.map(\.what).joined(separator: "\n")
            #expect(texts.contains("data checksums are off") && texts.contains("1024 MB of WAL"))
            #expect(texts.contains("summarize_wal") == (major >= 17))
        }
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `settings in the way are named with the line to write`(major: Int) throws {
        let options = PostgresServer.Options(
            settings: ["wal_level": "minimal", "max_wal_senders": "0"])
        try PostgresServer.with(.required(major), options: options) { server, _ in
            let minimal = failure { _ = try run(server.conninfo) }
            #expect(minimal?.code == .sourceSetting)
            #expect(minimal?.message.contains("wal_level is minimal") == true)
            #expect(minimal?.hint.contains("wal_level = replica and max_wal_senders = 10") == true)
            try server.addSettings(["wal_level": "replica"])
            try server.restart()
            let none = failure { _ = try run(server.conninfo) }
            #expect(none?.message == "max_wal_senders is 0")
            #expect(none?.hint.contains("max_wal_senders = 10") == true)
            try server.addSettings(["max_wal_senders": "1"])
            try server.restart()
            let holder = try server.replication()
            let full = failure { _ = try run(server.conninfo) }
            #expect(full?.message == "all 1 replication connections are in use")
            holder.close()
        }
    }

    @Test func `a standby and a login without SQL are recognised`() throws {
        try PostgresServer.with(.required(PostgresInstallation.testedMajors[0])) { server, _ in
            let standby = try server.createStandby()
            #expect(try run(standby.conninfo).profile.isInRecovery)
            try server.setHostAccess(["local all postgres trust", "local replication all trust"])
            try server.psql("create role bk login replication")
            try server.reload()
            let preflight = try run(server.conninfo(user: "bk"))
            #expect(!preflight.hasSQL)
            let finding = try #require(preflight.findings.first)
            #expect(finding.severity == .warning && finding.fix.contains("local postgres bk"))
        }
    }

    @Test func `a profile out of range blocks`() throws {
        try PostgresServer.with(.required(PostgresInstallation.testedMajors[0])) { server, _ in
            var profile = try ServerProfile(server.replication())
            func blocking() -> [ErrorCode] {
                Preflight.findings(in: profile).filter { $0.severity == .blocking }.map(\.code)
            }
            #expect(blocking().isEmpty)
            profile.restoredCopy = "main"
            #expect(blocking() == [.sourceForeign])
            profile.restoredCopy = nil
            profile.version = ServerVersion(number: 120_010)
            profile.blockSize = 4096
            profile.walLevel = "minimal"
            #expect(blocking() == [.sourceUnsupported, .sourceUnsupported, .sourceSetting])
        }
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `configuration outside the data directory is captured as far as allowed`(
        major: Int
    ) throws {
        var options = PostgresServer.Options()
        options.configurationOutside = true
        try PostgresServer.with(.required(major), options: options) { server, _ in
            let outside = server.configurationDirectory
            try FileSystem.writeAtomically(
                outside + "/extra.conf",
                Array("work_mem = '5MB'\n".utf8),
                mode: 0o644
            )
            try server.appendConfiguration("postgresql.conf", "include 'extra.conf'\n")
            try server.reload()
            let capture = try SourceConfiguration.capture(server.sql())
            #expect(capture.dataDirectory == server.dataDirectory && capture.findings.isEmpty)
            let names = ["extra.conf", "pg_hba.conf", "pg_ident.conf", "postgresql.conf"]
            #expect(capture.files.map(\.path) == names.map { "\(outside)/\($0)" })
            #expect(capture.files.map(\.role) == [.included, .hostAccess, .identMap, .main])
            for file in capture.files {
                #expect(try FileSystem.readFile(file.path) == file.content)
            }

            try server.psql("create role bk login replication")
            func asRole() throws -> SourceConfiguration {
                try SourceConfiguration.capture(
                    Connection(
                        ConnectionSettings(server.conninfo(user: "bk")),
                        kind: .sql,
                        applicationName: "test"
                    )
                )
            }
            // Every finding's GRANT is run, until there are no more.
            for _ in 0..<3 {
                let fixes = Set(try asRole().findings.map(\.fix))
                for fix in fixes { try server.psql(fix) }
            }
            let granted = try asRole()
            #expect(granted.findings.map(\.what) == [])
            #expect(granted.files.map(\.content) == capture.files.map(\.content))
        }
    }
}
