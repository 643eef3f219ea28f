import Domain
import Glibc
import Platform
import TestSupport
import Testing

/// What was acknowledged survives the loss of the server and of the streamer, in any order.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct DurabilityTests {
    @Test(arguments: PostgresInstallation.testedMajors)
    func `what was committed 0.3 s before both were killed is restored`(major: Int) throws {
        let prepare: (PostgresServer) throws -> Void = {
            try $0.pgbenchInit()
            try $0.psql(Committer.table)
        }
        try ProtectedServer.with(.required(major), prepare: prepare) { protected in
            for round in 1...2 {
                let stream = try protected.startStream()
                let load = try protected.server.startPgbench()
                try protected.waitUntilStreamed()
                try protected.server.psql("insert into ledger values (\(round), 'kept')")
                // The promise is about what was committed this long before the crash.
                letPass(seconds: 0.3)
                try protected.server.kill()
                stream.kill()
                load.wait()
                // The row is in a segment nobody has finished: it comes from the journal.
                let journals = try ProtectedServer.contents(protected.vault).keys
                    .filter { $0.contains(".journal.") }
                #expect(!journals.isEmpty)

                let copy = try protected.restore([])
                #expect(
                    try copy.psql("select count(*) from ledger where filler = 'kept'")
                        == "\(round)"
                )
                #expect(try Set(copy.pgbenchSums()).count == 1)
                try copy.judge()
                try protected.server.start()
            }
        }
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `a synchronous stream loses no acknowledged commit, whoever is killed`(
        major: Int
    ) throws {
        var random = SeededRandom(stream: "durability \(major)")
        try ProtectedServer.with(
            .required(major),
            prepare: { try $0.psql(Committer.table) },
            { protected in
                try protected.makeSynchronous()
                var rows: [Committer.Row] = []
                for round in 1...20 {
                    if !protected.server.isRunning { try protected.server.start() }
                    rows += try crash(protected, from: round * 1_000_000, &random)
                    let last = try #require(rows.last)
                    let plan = try protected.plan(["--xid", last.xid])
                    #expect(plan.reachable, "round \(round): row \(last.id): \(plan.reason)")
                    guard round % 5 == 0 else { continue }
                    let copy = try protected.restore([])
                    let found = try copy.psql("select id from ledger").split(separator: "\n")
                    let missing = Set(rows.map(\.id)).subtracting(found.compactMap { Int($0) })
                    #expect(missing.isEmpty, "round \(round)")
                    try copy.judge()
                }
            }
        )
    }

    /// Streams, commits, kills one side and then the other; what the server acknowledged meanwhile.
    private func crash(
        _ protected: ProtectedServer,
        from first: Int,
        _ random: inout SeededRandom
    ) throws -> [Committer.Row] {
        var stream = try protected.startStream()
        let committer = try Committer(protected.server, from: first)
        try committer.wait(for: Int.random(in: 1...60, using: &random))
        if Bool.random(using: &random) {
            stream.kill()
            if Bool.random(using: &random) {
                // Commits wait meanwhile, and go on with the next stream.
                stream = try protected.startStream()
                try committer.wait(for: Int.random(in: 1...20, using: &random))
            }
            try protected.server.kill()
            stream.kill()
        } else {
            try protected.server.kill()
            stream.kill()
        }
        return committer.finish()
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `a server shuts down in seconds while it is streamed`(major: Int) throws {
        try ProtectedServer.with(
            .required(major),
            prepare: { try $0.pgbenchInit() },
            { protected in
                let stream = try protected.startStream()
                for synchronous in [false, true] {
                    if synchronous { try protected.makeSynchronous() }
                    let load = try protected.server.startPgbench()
                    try protected.waitUntilStreamed()
                    // A stream that answers wrongly holds a shutdown up for wal_sender_timeout, a
                    // minute, or for ever.
                    try protected.server.stop(.fast, seconds: 30)
                    load.wait()
                    #expect(stream.isRunning)
                    // It got all there was, the shutdown's own checkpoint too.
                    let control = try protected.server.check(
                        "pg_controldata",
                        [protected.server.dataDirectory]
                    )
                    let end = try #require(checkpoint(in: control))
                    try waitUntil("the vault has the shutdown checkpoint at \(end)") {
                        try #require(try protected.plan([]).effectiveLsn) > end
                    }
                    try protected.server.start()
                    try waitUntil("the stream is back") { try protected.acknowledged() != nil }
                }
                // Commits are acknowledged again: the synchronous stream is at work.
                try protected.server.psql("create table after_restart ()")
                #expect(stream.interrupt().succeeded)
            }
        )
    }

    @Test func `a running stream sees that commits begin to wait for it, and that they end to`()
        throws
    {
        try ProtectedServer.with(.required(PostgresInstallation.newest().major)) { protected in
            let stream = try protected.startStream(["--watch-every", "1"])
            try protected.makeSynchronous()
            try stream.waitForOutput("commits of the server may wait now")
            try protected.server.psql("create table t ()")
            try protected.server.addSettings(["synchronous_standby_names": "''"])
            try protected.server.reload()
            try stream.waitForOutput("commits of the server wait no longer")
            #expect(stream.interrupt().succeeded)
        }
    }

    private func checkpoint(in control: String) -> LSN? {
        let line = control.split(separator: "\n").first { $0.hasPrefix("Latest checkpoint loc") }
        return line?.split(separator: " ").last.flatMap { LSN(String($0)) }
    }
}

extension ProtectedServer {
    /// Lets commits wait for the stream; it must run before the next one.
    func makeSynchronous() throws {
        try server.addSettings(["synchronous_standby_names": "pgkeep"])
        try server.reload()
        try waitUntil("commits are synchronous") {
            try server.psql("show synchronous_standby_names") == "pgkeep"
        }
    }
}
