import Domain
import Postgres
import Testing

@Suite struct ConnectionSettingsTests {
    @Test(arguments: [
        "host=h port=5433 user=me password='s3 cr''et' dbname=db",
        "postgresql://me:s3cr%27et@h:5433/db?application_name=x",
    ]) func `passwords are neither shown nor stored`(conninfo: String) throws {
        // libpq escapes quotes with a backslash, so the first form is written that way.
        let settings = try ConnectionSettings(
            conninfo.split(separator: "''", omittingEmptySubsequences: false)
                .joined(separator: "\\'")
        )
        #expect(settings.hasPassword)
        for text in [settings.redacted, settings.withoutPassword, "\(settings)"] {
            #expect(!text.contains("cr") && text.contains("host=h port=5433"))
        }
        #expect(!settings.withoutPassword.contains("password"))
        #expect(settings.user == "me")
        let stored = try ConnectionSettings(settings.withoutPassword)
        #expect(!stored.hasPassword && stored.value("dbname") == "db")
    }

    @Test func `values with blanks and quotes survive`() throws {
        let settings = try ConnectionSettings(#"host='/a b' user='o\'x\\y' dbname=''"#)
        let again = try ConnectionSettings(settings.withoutPassword)
        #expect(again.value("host") == "/a b")
        #expect(again.value("user") == #"o'x\y"#)
    }

    @Test func `a string that cannot be read is a usage error without its secrets`() throws {
        for text in ["host", "hots=x", "host=h password=a secret", "postgres://u:secret@[h"] {
            do {
                _ = try ConnectionSettings(text)
                Issue.record("\(text) was read")
            } catch {
                #expect(error.code == .usage && !error.hint.isEmpty)
                #expect(!error.description.contains("secret"))
            }
        }
    }

    @Test func `an empty string is libpq's defaults`() throws {
        #expect(try ConnectionSettings("").withoutPassword == "")
    }
}

@Suite struct ConnectionFailureTests {
    private func failure(
        _ text: String,
        kind: Connection.Kind = .physicalReplication,
        user: String = "bk"
    ) throws -> PgkeepError {
        ConnectionFailure(
            text: text,
            settings: try ConnectionSettings("host=h user=\(user) dbname=shop"),
            kind: kind
        ).error
    }

    private func fatal(_ state: String, _ message: String) -> String {
        "connection to server at \"h\" (10.0.0.1), port 5432 failed: FATAL:  \(state): \(message)\n"
            + "LOCATION:  somewhere, auth.c:1\n"
    }

    @Test func `a missing pg_hba line is spelled out`() throws {
        let text = fatal(
            "28000",
            "no pg_hba.conf entry for replication connection from host \"10.0.0.9\", user \"bk\", "
                + "no encryption"
        )
        let error = try failure(text)
        #expect(error.code == .sourceAuthentication)
        #expect(error.hint.hasSuffix(": host replication bk 10.0.0.9/32 scram-sha-256"))
        #expect(!error.description.contains("LOCATION") && !error.description.contains("\n"))
        #expect(error.postgres?.sqlstate == "28000")
        let six = fatal("28000", "no pg_hba.conf entry for host \"fe80::1\", user \"bk\"")
        #expect(
            try failure(six, kind: .sql).hint.hasSuffix("host shop bk fe80::1/128 scram-sha-256")
        )
        let local = fatal("28000", "no pg_hba.conf entry for host \"[local]\", user \"bk\"")
        #expect(try failure(local).hint.hasSuffix("local replication bk scram-sha-256"))
        let foreign = fatal("28000", "kein pg_hba.conf-Eintrag für Host »10.0.0.9«")
        #expect(try failure(foreign).hint.contains("host replication bk samehost scram-sha-256"))
    }

    @Test func `every state has its code and hint`() throws {
        let cases: [(String, ErrorCode, String)] = [
            ("28P01", .sourceAuthentication, ".pgpass"),
            ("28000", .sourceAuthentication, "CREATE ROLE bk"),
            ("42501", .sourcePrivilege, "ALTER ROLE bk REPLICATION;"),
            ("53300", .sourceSetting, "max_wal_senders = 10"),
            ("57P03", .sourceUnreachable, "wait"),
            ("3D000", .sourceUnreachable, "dbname="),
        ]
        for (state, code, hint) in cases {
            let error = try failure(fatal(state, "Texte étranger"))
            #expect(error.code == code && error.hint.contains(hint), "\(state): \(error.hint)")
        }
        #expect(try failure(fatal("42501", ""), user: "My-role").hint.contains(#""My-role""#))
        #expect(try failure(fatal("53300", ""), kind: .sql).hint.contains("max_connections"))
    }

    @Test func `what libpq itself says is understood`() throws {
        let refused = try failure("connection to server at \"h\" failed: Connection refused\n")
        #expect(
            refused.code == .sourceUnreachable && refused.hint.contains("host=h")
                && refused.hint.contains("user=bk")
        )
        let password = try failure("connection failed: fe_sendauth: no password supplied\n")
        #expect(password.code == .sourceAuthentication && password.hint.contains("bk"))
        let certificate = try failure("SSL error: certificate verify failed\n")
        #expect(certificate.code == .sourceUnreachable && certificate.hint.contains("sslrootcert"))
    }
}

@Suite struct SettingValueTests {
    @Test func `units are read`() {
        #expect(SettingValue.bytes("16MB") == 16 << 20)
        #expect(SettingValue.bytes("1GB") == 1 << 30)
        #expect(SettingValue.bytes("512kB") == 512 << 10)
        #expect(SettingValue.bytes("8192") == 8192)
        #expect(SettingValue.bytes("-1") == nil)
        #expect(SettingValue.bytes("much") == nil)
        #expect(SettingValue.seconds("1min") == 60)
        #expect(SettingValue.seconds("200ms") == 0.2)
        #expect(SettingValue.seconds("0") == 0)
        #expect(SettingValue.isOn("on") && !SettingValue.isOn("off") && !SettingValue.isOn(nil))
    }

    @Test func `quotes are doubled`() {
        #expect(SQL.literal("a'b''") == "'a''b'''''")
        #expect(SQL.identifier("a\"b") == "\"a\"\"b\"")
    }
}
