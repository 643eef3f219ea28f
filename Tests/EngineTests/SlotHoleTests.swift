import Domain
import TestSupport
import Testing

/// What a slot kept while nobody streamed fills the hole, also when a promotion lies in it.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct SlotHoleTests {
    @Test(arguments: [15, 18])
    func `a hole across a promotion is filled from the slot`(major: Int) throws {
        var options = PostgresServer.Options()
        options.settings = ["wal_keep_size": "4GB", "autovacuum": "off"]
        options.segmentMegabytes = 1
        try ProtectedServer.with(
            PostgresInstallation.required(major),
            options: options,
            prepare: { try $0.psql("create table rows (word text)") },
            { protected in
                let primary = protected.server
                let standby = try primary.createStandby()
                try protected.lead(to: standby)
                let stream = try protected.startStream()
                try primary.psql("insert into rows values ('streamed')")
                try standby.catchUp(with: primary)
                #expect(stream.terminate().succeeded)

                // Nobody streams from here on; only the standby's slot remembers.
                let old = try write("old", on: primary)
                try standby.catchUp(with: primary)
                try primary.kill()
                #expect(try standby.promote() == 2)
                let new = try write("new", on: standby)
                try standby.psql("checkpoint")
                // The backup streams for itself, far behind the archive's end.
                let point = try protected.backup()
                #expect(point.timeline == 2)
                let gaps = try protected.window().gaps
                #expect(!gaps.isEmpty, "there must be a hole to fill")
                let alarms = try alarms(protected)
                for gap in gaps {
                    #expect(
                        covers(alarms, gap.fromLsn, gap.toLsn),
                        "\(gap) is in none of \(alarms)"
                    )
                }
                #expect(try !protected.plan(["--lsn", "\(old)"]).reachable)

                try protected.catchUp()
                #expect(try protected.window().gaps.isEmpty)
                #expect(try self.alarms(protected).isEmpty)
                for (position, words) in [(old, "streamed\nold"), (new, "streamed\nold\nnew")] {
                    let copy = try protected.restore(["--lsn", "\(position)"])
                    let found = try copy.psql("select word from rows where length(word) < 9")
                    #expect(found == words)
                    try copy.stop()
                }
            }
        )
    }

    /// The ranges that alerts on gaps of the window name, in order.
    private func alarms(_ protected: ProtectedServer) throws -> [Range<LSN>] {
        struct Alerts: Decodable {
            struct Alert: Decodable {
                var kind: String
                var state: String
                var summary: String
            }
            var alerts: [Alert]
        }
        try protected.succeed(["alert", "check"])
        return try protected.ask(["alert", "list", "--all"], as: Alerts.self).alerts
            .filter { $0.kind == "window-gap" && ["pending", "open"].contains($0.state) }
            .compactMap { alert in
                let words = alert.summary.split(separator: " ")
                let positions = words.compactMap { LSN(String($0)) }
                return positions.count >= 2 ? positions[0]..<positions[1] : nil
            }.sorted { $0.lowerBound < $1.lowerBound }
    }

    private func covers(_ ranges: [Range<LSN>], _ from: LSN, _ to: LSN) -> Bool {
        ranges.reduce(from) { $1.contains($0) ? $1.upperBound : $0 } >= to
    }

    /// Writes a word and then several segments; returns a position behind the word.
    private func write(_ word: String, on server: PostgresServer) throws -> LSN {
        try server.psql("insert into rows values ('\(word)')")
        let position = try server.currentLSN()
        for _ in 0..<3 {
            try server.psql(
                """
                insert into rows
                select repeat(md5(i::text), 30) from generate_series(1, 1500) i;
                select pg_switch_wal()
                """
            )
        }
        return position
    }
}
