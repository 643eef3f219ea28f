import Domain
import Platform
import TestSupport
import Testing

extension ServerYear {
    /// The segments the vault has anything of, by the names of its files.
    private func segmentsThere() throws -> Set<UInt64> {
        let names = try ProtectedServer.contents(protected.vault).keys
        return Set(
            names.compactMap { path in
                guard path.contains("/wal/"), let file = path.split(separator: "/").last else {
                    return nil
                }
                return Self.segment(file.prefix(24))
            }
        )
    }

    /// Holds the points, the WAL and the window against the account.
    func compare(_ day: Int) throws {
        let there = try pointsThere().map(\.id)
        #expect(there == account.points.map(\.id), "day \(day)")
        let wal = try segmentsThere()
        let missing = account.wal.subtracting(wal)
        #expect(missing.isEmpty, "day \(day): WAL let go early: \(missing.sorted())")
        let late = wal.subtracting(account.wal).filter { !account.isUnspoken($0) }
        #expect(late.isEmpty, "day \(day): WAL let go late: \(late.sorted())")
        let window = try protected.window()
        func isWithin(_ moment: YearAccount.Moment) -> Bool {
            window.intervals.contains {
                $0.earliest <= moment.time && moment.time <= $0.streamedUntil ?? $0.latest
            }
        }
        let out = account.promised.filter { !isWithin($0) }
        #expect(out.isEmpty, "day \(day): promised, and out of reach: \(out.map(\.time))")
        let reached = account.moments.filter(isWithin).map(\.time)
        #expect(reached == account.reachable.map(\.time), "day \(day)")
    }

    /// Restores to the first moment promised, to any within reach and to a point, starts the
    /// copies, and reads the rows.
    func restore(_ day: Int) throws {
        let first = try #require(account.promised.first).time
        let other = try #require(account.reachable.randomElement(using: &random)).time
        var targets = Set([first, other]).map { time in
            (["--time", time.description], rows.filter { $0.committed < time })
        }
        let point = try #require(account.points.randomElement(using: &random)).id
        targets.append((["--point", point], Array(rows.prefix(try #require(rowsAt[point])))))
        for (target, wanted) in targets {
            let copy = try protected.restore(target)
            let there = try copy.psql("select n from ledger order by n")
                .split(separator: "\n").compactMap { Int($0) }
            #expect(there == wanted.map(\.number).sorted(), "day \(day), \(target)")
            try copy.stop()
            try FileSystem.removeTree(copy.dataDirectory)
        }
    }
}
