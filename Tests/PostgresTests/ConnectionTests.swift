import Domain
import Platform
import Postgres
import TestSupport
import Testing

@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct ConnectionTests {
    private func connect(_ conninfo: String, _ kind: Connection.Kind) throws {
        _ = try Connection(ConnectionSettings(conninfo), kind: kind, applicationName: "test")
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `a login that fails names the line that helps, and the line helps`(major: Int) throws {
        try PostgresServer.with(.required(major)) { server, _ in
            try server.psql(
                """
                create role bk login replication password 'right';
                create role plain login password 'right';
                """
            )
            var lines = [
                "local all postgres trust", "host all all 127.0.0.1/32 scram-sha-256",
                "host replication plain 127.0.0.1/32 scram-sha-256",
            ]
            try server.setHostAccess(lines)
            try server.reload()
            func attempt(_ user: String, _ rest: String, _ kind: Connection.Kind) -> PgkeepError? {
                failure { try connect(server.tcpConninfo(user: user) + " " + rest, kind) }
            }
            let wrong = attempt("bk", "password=wrongsecret", .sql)
            #expect(wrong?.code == .sourceAuthentication)
            #expect(wrong?.postgres?.sqlstate == "28P01")
            #expect(wrong?.description.contains("wrongsecret") == false)
            #expect(
                attempt("bk", "passfile=/nonexistent", .sql)?.code == .sourceAuthentication
            )
            let unknown = attempt("bk", "password=right dbname=nowhere", .sql)
            #expect(unknown?.code == .sourceUnreachable && unknown?.postgres?.sqlstate == "3D000")
            let closed = failure { try connect("host=127.0.0.1 port=1 user=bk", .sql) }
            #expect(closed?.code == .sourceUnreachable && closed?.hint.contains("port=1") == true)
            #expect(closed?.tellsServerIsStopped == true)
            #expect(unknown?.tellsServerIsStopped == false)
            #expect(wrong?.tellsServerIsStopped == false)
            let nowhere = failure { try connect("host=nowhere.invalid user=bk", .sql) }
            #expect(nowhere?.code == .sourceUnreachable && nowhere?.tellsServerIsStopped == false)

            let noLine = attempt("bk", "password=right", .physicalReplication)
            #expect(noLine?.code == .sourceAuthentication)
            let hint = try #require(noLine?.hint)
            #expect(hint.hasSuffix("host replication bk 127.0.0.1/32 scram-sha-256"))
            lines.append(String(hint.drop { $0 != ":" }.dropFirst(2)))
            try server.setHostAccess(lines)
            try server.reload()
            #expect(attempt("bk", "password=right", .physicalReplication) == nil)

            let noRight = attempt("plain", "password=right", .physicalReplication)
            #expect(noRight?.code == .sourcePrivilege)
            #expect(noRight?.hint == "run as a superuser: ALTER ROLE plain REPLICATION;")
            try server.psql("ALTER ROLE plain REPLICATION;")
            #expect(attempt("plain", "password=right", .physicalReplication) == nil)

            let uri = "postgresql://bk:right@127.0.0.1:\(server.port)/postgres"
            #expect(failure { try connect(uri, .sql) } == nil)
        }
    }

    @Test func `statements give rows, errors and notices, and can be cancelled`() throws {
        try PostgresServer.with(.required(PostgresInstallation.testedMajors[0])) { server, _ in
            let connection = try server.sql()
            #expect(connection.serverVersion.major == server.major)
            let result = try connection.query("select 1 as a, null as b, 'ü' as c")
            #expect(result.columns == ["a", "b", "c"] && result.rows == [["1", nil, "ü"]])
            #expect(failure { try connection.query("selec") }?.postgres?.sqlstate == "42601")
            try connection.query("do $$ begin raise warning 'careful'; end $$")
            let notices = connection.takeNotices()
            #expect(notices.map(\.description) == ["WARNING: careful"])
            #expect(connection.takeNotices().isEmpty)
            #expect(
                try connection.query("show application_name").first == "test"
            )

            let token = CancellationToken()
            let canceller = Thread<Void>("cancel") {
                try waitUntil("the statement runs") {
                    try server.psql(
                        "select count(*) from pg_stat_activity where query like '%sleep(600)%'"
                            + " and application_name = 'test' and state = 'active'"
                    ) == "1"
                }
                token.cancel()
            }
            let stopped = failure {
                try token.whileCancellable({ connection.cancel() }) {
                    _ = try connection.query("select pg_sleep(600)")
                }
            }
            #expect(stopped?.code == .cancelled)
            try canceller.join()
            #expect(try connection.query("select 1").first == "1")

            try server.stop(.immediate)
            #expect(failure { try connection.query("select 1") }?.code == .sourceBroken)
            #expect(failure { _ = try server.sql() }?.code == .sourceUnreachable)
        }
    }

    @Test func `a server that never answers is given up, or passed over`() throws {
        let installation = try PostgresInstallation.required(PostgresInstallation.testedMajors[0])
        try PostgresServer.with(installation) { good, scratch in
            let silent = try PostgresServer.create(installation, in: scratch)
            // The kernel still takes connections for a stopped postmaster; nobody answers them.
            try CommandRunner.asServer.check("/bin/kill", ["-STOP", "\(silent.pid ?? 0)"])
            let target = silent.tcpConninfo() + " connect_timeout=1"
            let late = failure { try connect(target, .sql) }
            #expect(late?.code == .sourceUnreachable)
            #expect(late?.message.contains("did not answer in time") == true)

            let token = CancellationToken()
            let attempt = Thread<Void>("connect") {
                _ = try Connection(
                    ConnectionSettings(silent.tcpConninfo() + " connect_timeout=600"),
                    kind: .sql,
                    applicationName: "test",
                    cancellation: token
                )
            }
            token.cancel()
            #expect(failure { try attempt.join() }?.code == .cancelled)

            let both =
                "host=127.0.0.1,127.0.0.1 port=\(silent.port),\(good.port) user=postgres"
                + " connect_timeout=2"
            #expect(failure { try connect(both, .physicalReplication) } == nil)
            try CommandRunner.asServer.check("/bin/kill", ["-CONT", "\(silent.pid ?? 0)"])
        }
    }
}
