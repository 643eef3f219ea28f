import Domain
import Platform
import TestSupport
import Testing

/// The archive lacks the segment a new timeline begins with, while the branch left behind goes on
/// past the switch: PostgreSQL would read on in that, and must not.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct LostSwitchTests {
    @Test(arguments: [false, true])
    func `without a timeline's first segment replay ends at the switch`(
        betweenSegments: Bool
    ) throws {
        var options = PostgresServer.Options()
        options.settings = ["wal_keep_size": "4GB", "autovacuum": "off"]
        options.segmentMegabytes = 1
        try ProtectedServer.with(
            PostgresInstallation.required(18),
            options: options,
            prepare: { try $0.psql("create table rows (word text)") },
            { protected in
                let primary = protected.server
                let standby = try primary.createStandby()
                let stream = try protected.startStream()
                try primary.psql("insert into rows values ('shared')")
                try detach(standby, from: primary, betweenSegments)
                // More than a segment, so that the branch has whole ones.
                try primary.psql(
                    """
                    insert into rows
                    select repeat(md5(i::text), 30) from generate_series(1, 3000) i
                    """
                )
                try protected.waitUntilStreamed()
                try primary.kill()

                #expect(try standby.promote() == 2)
                try protected.lead(to: standby)
                try standby.psql("insert into rows values ('new'); select pg_switch_wal()")
                try standby.psql("insert into rows values ('newer')")
                try protected.waitUntilStreamed()
                #expect(stream.terminate().succeeded)

                let fork = try fork(of: standby)
                #expect((fork.rawValue % (1 << 20) == 0) == betweenSegments)
                let whole = try protected.plan([])
                #expect(whole.effectiveLsn.map { $0 > fork } ?? false)
                try lose(WALSegment(timeline: 2, containing: fork, size: size), of: protected)

                // All of it, and a position behind the start of the last record before the switch.
                let late = LSN(fork.rawValue - 8).description
                let positions = [["--lsn", late], ["--lsn", late, "--exclusive"]]
                for target in [[]] + (betweenSegments ? [] : positions) {
                    let plan = try protected.plan(target)
                    #expect(plan.reachable && plan.effectiveLsn == fork, "\(target)")
                    #expect(plan.warnings.contains { $0.contains("ends at the switch") })
                    let copy = try protected.restore(target)
                    #expect(try copy.psql("select word from rows") == "shared", "\(target)")
                    try copy.judge()
                }
            }
        )
    }

    private var size: WALSegmentSize { WALSegmentSize(bytes: 1 << 20) ?? .standard }

    /// Has the standby replay what there is and hear no more, just behind a segment's end if so
    /// wanted; a background process may write in between, so there are several tries.
    private func detach(
        _ standby: PostgresServer,
        from primary: PostgresServer,
        _ betweenSegments: Bool
    ) throws {
        let conninfo = primary.conninfo.split(separator: "'", omittingEmptySubsequences: false)
            .joined(separator: "''")
        for _ in 0..<20 {
            if betweenSegments { try primary.psql("select pg_switch_wal()") }
            try standby.catchUp(with: primary)
            try standby.psql("alter system set primary_conninfo = ''")
            try standby.reload()
            try waitUntil("the standby hears no more and has replayed all") {
                try standby.psql(
                    """
                    select not exists (select from pg_stat_wal_receiver)
                    and pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn()
                    """
                ) == "t"
            }
            let text = try standby.psql("select pg_last_wal_replay_lsn()")
            let end = try #require(LSN(text))
            if !betweenSegments || end.rawValue % size.bytes == 0 { return }
            try standby.psql("alter system set primary_conninfo = '\(conninfo)'")
            try standby.reload()
            try primary.psql("insert into rows select 'nothing' where false; checkpoint")
        }
        Issue.record("the primary never fell silent behind a segment's end")
    }

    /// Where timeline 2 begins, by the server's own history file.
    private func fork(of server: PostgresServer) throws -> LSN {
        let path = server.dataDirectory + "/pg_wal/00000002.history"
        let content = String(decoding: try FileSystem.readFile(path), as: UTF8.self)
        return try #require(TimelineHistory(timeline: 2, content: content)?.forks.last?.end)
    }

    /// Removes all the vault has of a segment.
    private func lose(_ segment: WALSegment, of protected: ProtectedServer) throws {
        let found = try CommandRunner.asServer.check(
            "/usr/bin/find",
            [protected.vault, "-type", "f", "-path", "*/wal/*", "-name", "*\(segment.name)*"]
        ).split(separator: "\n").map(String.init)
        try #require(!found.isEmpty)
        for path in found { try FileSystem.removeFile(path) }
    }
}
