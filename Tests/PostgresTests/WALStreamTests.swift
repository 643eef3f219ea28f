import Domain
import Platform
import Postgres
import TestSupport
import Testing

@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct WALStreamTests {
    @Test(arguments: PostgresInstallation.testedMajors)
    func `the WAL streamed is the server's own, and the slot follows`(major: Int) throws {
        try PostgresServer.with(.required(major)) { server, _ in
            let connection = try server.replication()
            try ReplicationSlots.create("keep", isTemporary: false, on: connection)
            let again = failure {
                try ReplicationSlots.create("keep", isTemporary: false, on: connection)
            }
            #expect(again?.code == .exists)
            let fresh = try ReplicationSlots.read("keep", replication: connection, sql: nil)
            #expect(fresh?.isLost == false && fresh?.timeline == 1)
            let restart = try #require(fresh?.restartLSN)
            let first = WALSegment(timeline: 1, containing: restart, size: .standard)
            let stream = try RunningStream(server.conninfo, slot: "keep", start: first.start)
            try server.psql("create table t as select generate_series(1, 300000) as i")
            try server.psql("select pg_switch_wal()")
            let target = try server.currentLSN()
            stream.control.stop(at: target)
            let end = try stream.end()
            #expect(end.reason == .stopped && end.received >= target)
            let bytes = stream.recorder.bytes
            #expect(UInt64(bytes.count) == end.received - first.start)
            #expect(bytes.count > 16 << 20)
            var segment = first
            while segment.start < end.received {
                let offset = Int(segment.start - first.start)
                let piece = bytes[offset..<min(offset + (16 << 20), bytes.count)]
                let file = try server.walFile(segment)
                #expect(checksum(file.prefix(piece.count)) == checksum(piece), "\(segment)")
                segment = segment.next
            }
            let slot = try ReplicationSlots.read(
                "keep",
                replication: connection,
                sql: server.sql()
            )
            #expect(slot?.restartLSN == end.received && slot?.walStatus == "reserved")
            #expect(try ReplicationSlots.drop("keep", on: connection))
            #expect(try !ReplicationSlots.drop("keep", on: connection))
            #expect(try ReplicationSlots.read("keep", replication: connection, sql: nil) == nil)
        }
    }

    @Test(arguments: PostgresInstallation.testedMajors, [true, false])
    func `a fast shutdown is quick while streaming`(major: Int, reports: Bool) throws {
        try PostgresServer.with(.required(major)) { server, _ in
            let stream = try RunningStream(
                server.conninfo,
                start: try server.segmentStart(),
                reports: reports
            )
            try server.psql("create table t as select generate_series(1, 50000) as i")
            let clock = SystemClock()
            let began = clock.monotonicSeconds
            try server.stop(.fast)
            // Minutes, or for ever, when the server's questions are answered wrongly.
            #expect(clock.monotonicSeconds - began < 30)
            #expect(try stream.end().reason == .serverStopped)
        }
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `commits wait for the report and no longer`(major: Int) throws {
        try PostgresServer.with(.required(major)) { server, _ in
            let stream = try RunningStream(
                server.conninfo,
                start: try server.segmentStart(),
                name: "keeper",
                adjust: { $0.statusInterval = 3600 }
            )
            try waitUntil("the stream is known") {
                try server.psql("select application_name from pg_stat_replication") == "keeper"
            }
            try server.psql("create table t (i int)")
            try server.addSettings(["synchronous_standby_names": "keeper"])
            try server.reload()
            try waitUntil("the stream is synchronous") {
                try server.psql("select sync_state from pg_stat_replication") == "sync"
            }
            // With status messages an hour apart, only immediate reports let these pass.
            for _ in 0..<20 { try server.psql("insert into t values (1)") }
            #expect(stream.control.flushed > .zero)
            stream.control.stop()
            #expect(try stream.end().reason == .stopped)
        }
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `a promoted standby's stream goes over to the new timeline`(major: Int) throws {
        try PostgresServer.with(.required(major)) { server, _ in
            let standby = try server.createStandby()
            let start = try server.segmentStart()
            let stream = try RunningStream(standby.conninfo, start: start)
            try server.psql("create table t as select generate_series(1, 1000) as i")
            try standby.catchUp(with: server)
            try server.stop(.immediate)
            #expect(try standby.promote() == 2)
            let end = try stream.end()
            guard case .timelineEnded(next: 2, let fork) = end.reason else {
                Issue.record("ended with \(end)")
                return
            }
            #expect(fork <= end.received)
            let connection = try standby.replication()
            #expect(try connection.identifySystem().timeline == 2)
            let known = try #require(try connection.timelineHistory(of: 2))
            #expect(known.history.forks == [.init(timeline: 1, end: fork)])
            #expect(
                try FileSystem.readFile("\(standby.dataDirectory)/pg_wal/00000002.history")
                    == known.content
            )
            #expect(try connection.timelineHistory(of: 1) == nil)
            #expect(try connection.timelineHistory(of: 9) == nil)

            let shared = WALSegment(timeline: 2, containing: fork, size: .standard)
            let next = try RunningStream(standby.conninfo, start: shared.start, timeline: 2)
            try standby.psql("create table u as select generate_series(1, 1000) as i")
            next.control.stop(at: try standby.currentLSN())
            #expect(try next.end().reason == .stopped)
            let common = Int(fork - shared.start)
            let offset = Int(shared.start - start)
            #expect(
                next.recorder.bytes.prefix(common)
                    .elementsEqual(stream.recorder.bytes[offset..<offset + common])
            )
            // Exactly at the fork there is nothing left to send on the old one.
            let rest = try RunningStream(standby.conninfo, start: fork, timeline: 1)
            #expect(try rest.end().reason == .timelineEnded(next: 2, fork: fork))
        }
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `a slot in use, missing or lost is told apart`(major: Int) throws {
        let options = PostgresServer.Options(settings: [
            "max_slot_wal_keep_size": "16MB", "max_wal_size": "64MB",
        ])
        try PostgresServer.with(.required(major), options: options) { server, _ in
            let connection = try server.replication()
            try ReplicationSlots.create("keep", isTemporary: false, on: connection)
            let start = try server.segmentStart()
            let holder = try RunningStream(server.conninfo, slot: "keep", start: start)
            try waitUntil("the slot is in use") {
                try ReplicationSlots.read("keep", replication: connection, sql: server.sql())?
                    .activePID != nil
            }
            let second = try RunningStream(server.conninfo, slot: "keep", start: start)
            #expect(failure { _ = try second.end() }?.code == .slotBusy)
            #expect(
                failure { try ReplicationSlots.drop("keep", on: connection) }?.code == .slotBusy
            )
            holder.control.stop()
            _ = try holder.end()

            let none = try RunningStream(server.conninfo, slot: "nothing", start: start)
            #expect(failure { _ = try none.end() }?.code == .notFound)
            let ahead = try RunningStream(server.conninfo, start: start + (1 << 32))
            #expect(failure { _ = try ahead.end() }?.code == .sourceStatement)
            let elsewhere = try RunningStream(server.conninfo, start: start, timeline: 7)
            #expect(failure { _ = try elsewhere.end() }?.code == .sourceStatement)

            for _ in 0..<10 {
                try server.psql("create table t as select 1; drop table t; select pg_switch_wal()")
            }
            try server.psql("checkpoint")
            try server.psql("checkpoint")
            let sql = try server.sql()
            let bare = try ReplicationSlots.read("keep", replication: connection, sql: nil)
            #expect(bare?.isLost == true)
            let lost = try ReplicationSlots.read("keep", replication: connection, sql: sql)
            #expect(lost?.isLost == true && lost?.walStatus == "lost")
            let late = try RunningStream(server.conninfo, slot: "keep", start: start)
            let error = failure { _ = try late.end() }
            #expect(error?.code == (major >= 18 ? .slotLost : .walRemoved))
        }
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `a server killed, stuck or impatient is handled`(major: Int) throws {
        let options = PostgresServer.Options(settings: ["wal_sender_timeout": "1500ms"])
        try PostgresServer.with(.required(major), options: options) { server, _ in
            let start = try server.segmentStart()
            let patient = try RunningStream(server.conninfo, start: start)
            // Twice the server's patience without any WAL: only status messages keep us connected.
            try waitUntil("time passes") {
                try server.psql(
                    "select now() - backend_start > '4 s' from pg_stat_replication"
                ) == "t"
            }
            #expect(!patient.hasEnded)
            let pid = try server.psql("select pid from pg_stat_replication")
            let token = CancellationToken()
            let cancelled = try RunningStream(server.conninfo, start: start, cancellation: token)
            token.cancel()
            #expect(try cancelled.end().reason == .stopped)

            let stuck = try RunningStream(
                server.conninfo,
                start: start,
                name: "stuck",
                adjust: { $0.silenceLimit = 1 }
            )
            var second = ""
            try waitUntil("the second stream runs") {
                second = try server.psql(
                    "select pid from pg_stat_replication where application_name = 'stuck'"
                        + " and state = 'streaming'"
                )
                return !second.isEmpty
            }
            try CommandRunner.asServer.check("/bin/kill", ["-STOP", second])
            let silent = failure { _ = try stuck.end() }
            #expect(silent?.code == .sourceBroken && silent?.message.contains("silent") == true)
            try CommandRunner.asServer.check("/bin/kill", ["-CONT", second])

            try server.psql("select pg_terminate_backend(\(pid))")
            #expect(failure { _ = try patient.end() }?.code == .sourceBroken)
            let last = try RunningStream(server.conninfo, start: start)
            try waitUntil("the last stream has all") {
                let end = try server.currentLSN()
                return last.control.received >= end
            }
            try server.kill()
            #expect(failure { _ = try last.end() }?.code == .sourceBroken)
        }
    }

    private static let openssl = "/usr/bin/openssl"

    @Test(
        .enabled(if: (try? FileSystem.info(openssl, followLinks: true)) ?? nil != nil),
        .enabled(if: PostgresInstallation.testedMajors.contains(15))
    )
    func `an encrypted stream loses and delays nothing`() throws {
        try PostgresServer.with(.required(15)) { server, scratch in
            let directory = try scratch.serverDirectory("tls")
            try CommandRunner.asServer.check(
                Self.openssl,
                [
                    "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test", "-days",
                    "2", "-keyout", "\(directory)/key", "-out", "\(directory)/certificate",
                ]
            )
            try server.addSettings([
                "ssl": "on", "ssl_cert_file": "'\(directory)/certificate'",
                "ssl_key_file": "'\(directory)/key'",
            ])
            try server.psql("create role bk login replication password 'right'")
            try server.setHostAccess([
                "local all postgres trust", "hostssl replication bk 127.0.0.1/32 scram-sha-256",
            ])
            try server.reload()
            let conninfo = server.tcpConninfo(user: "bk") + " password=right"
            let plain = failure {
                _ = try RunningStream(conninfo + " sslmode=disable", start: LSN(1))
            }
            #expect(plain?.code == .sourceAuthentication)
            let start = try server.segmentStart()
            let stream = try RunningStream(
                conninfo + " sslmode=require channel_binding=require",
                start: start
            )
            for rows in [100_000, 1, 20, 3000] {
                try server.psql(
                    "create table t as select generate_series(1, \(rows)) as i; drop table t"
                )
                let target = try server.currentLSN()
                try waitUntil("all is there and durable") { stream.control.flushed >= target }
            }
            stream.control.stop()
            let end = try stream.end()
            #expect(UInt64(stream.recorder.bytes.count) == end.received - start)
            let recorder = BackupRecorder()
            let connection = try Connection(
                ConnectionSettings(conninfo),
                kind: .physicalReplication,
                applicationName: "test"
            )
            #expect(connection.isEncrypted)
            _ = try BaseBackupStream.run(
                on: connection,
                BaseBackupOptions(label: "tls"),
                handler: recorder,
                cancellation: CancellationToken()
            )
            #expect(recorder.lastProgress == recorder.total)
        }
    }
}
