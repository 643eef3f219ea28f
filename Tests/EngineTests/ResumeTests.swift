import Domain
import Engine
import Glibc
import Platform
import Storage
import TestSupport
import Testing
import Vaulting

/// A backup that did not end: the next one does not store again what that one stored.
@Suite(.serialized) struct ResumeTests {
    private static let system = SyntheticInstance.system
    private static let pagesPerFile = 70
    private static let files = 100

    private static func fill(_ instance: SyntheticInstance, _ random: inout SeededRandom) {
        for number in 100..<100 + files {
            // Half of them have region maps, half inline ones.
            let pages = number % 2 == 0 ? pagesPerFile : pagesPerFile - 20
            instance.files["base/5/\(number)"] = file(pages, &random)
        }
    }

    /// A file of pages no other file has; most of their bytes are alike.
    private static func file(_ pages: Int, _ random: inout SeededRandom) -> TarMaker.File {
        var file = TarMaker.File(size: pages * 8192, pages: [:])
        for page in 0..<pages {
            file.pages[page] = random.bytes(16) + [UInt8](repeating: 7, count: 8176)
        }
        return file
    }

    /// Takes a backup whose stream ends after `count` files; gives up as a failed job does.
    private func cut(
        _ instance: SyntheticInstance,
        after count: Int,
        workers: Int,
        _ end: (BackupSession) throws -> Void
    ) throws {
        let (session, parents) = try ParentMaps.begin(
            instance.vault,
            Self.system,
            Evacuation.Policy(),
            clock: instance.clock
        )
        let keeper = DraftKeeper(session, try SyntheticStream.point(session.id), interval: 100)
        #expect(throws: SyntheticStream.Cut.self) {
            try SyntheticStream.take(
                Dictionary(
                    uniqueKeysWithValues: instance.files.map { (Array($0.key.utf8), $0.value) }
                ),
                into: session,
                parents: parents,
                drafts: keeper,
                workers: workers,
                cutAfter: count
            )
        }
        try end(session)
        instance.clock.advance(seconds: 60)
    }

    private func complete(_ instance: SyntheticInstance) throws -> RecoveryPoint {
        let (session, parents) = try ParentMaps.begin(
            instance.vault,
            Self.system,
            Evacuation.Policy(),
            clock: instance.clock
        )
        let outcome = try SyntheticStream.take(
            Dictionary(
                uniqueKeysWithValues: instance.files.map { (Array($0.key.utf8), $0.value) }
            ),
            into: session,
            parents: parents,
            workers: 2
        )
        instance.clock.advance(seconds: 60)
        return try session.commit(
            SyntheticStream.point(session.id),
            catalog: outcome.catalog,
            attachments: outcome.attachments
        )
    }

    @Test(arguments: [1, 3])
    func `a backup cut off at 60 % leaves 40 % to the next`(workers: Int) throws {
        var random = SeededRandom(stream: "resume \(workers)")
        let instance = try SyntheticInstance()
        Self.fill(instance, &random)
        try cut(instance, after: Self.files * 6 / 10, workers: workers) { $0.abandon() }
        #expect(try PointStore.list(instance.vault, Self.system).isEmpty)
        let point = try complete(instance)
        let share = Double(point.pagesNew) / Double(point.pagesTotal)
        // What was on its way is lost, and with several workers the packs the others were filling:
        // of so few, that may be all.
        #expect(share >= 0.4 && share <= (workers == 1 ? 0.6 : 1), "\(share)")
        #expect(point.parent == nil)
        #expect(try instance.difference(of: point.id, from: instance.files) == nil)
        let damage = try instance.damage()
        #expect(damage.isEmpty, "\(damage)")
    }

    @Test func `one cut off again and again comes to its end, and keeps its parent's pages`() throws
    {
        var random = SeededRandom(stream: "resume again")
        let instance = try SyntheticInstance()
        Self.fill(instance, &random)
        let first = try complete(instance)
        for name in instance.files.keys.sorted().prefix(80) {
            instance.files[name] = Self.file(Self.pagesPerFile, &random)
        }
        for count in [27, 43, 64] {
            try cut(instance, after: count, workers: 1) { $0.abandon() }
        }
        let point = try complete(instance)
        #expect(point.parent == first.id)
        #expect(point.pagesNew < 28 * UInt64(Self.pagesPerFile))
        #expect(try instance.difference(of: point.id, from: instance.files) == nil)
        #expect(try instance.difference(of: first.id, from: instance.files) != nil)
        // Older drafts are of no use beside the point.
        let next = try complete(instance)
        #expect(next.parent == point.id && next.pagesNew == 0)
    }

    @Test
    func `a draft of a session that lives, or of one its tombstone does not name, is not used`()
        throws
    {
        var random = SeededRandom(stream: "living draft")
        let instance = try SyntheticInstance()
        Self.fill(instance, &random)
        // Its lease stays, and its process (this one) lives: it may yet commit.
        var living: BackupSession?
        try cut(instance, after: 60, workers: 1) { living = $0 }
        let all = try complete(instance)
        #expect(all.pagesNew == all.pagesTotal)
        living?.abandon()
        let next = try complete(instance)
        #expect(next.parent == all.id)
    }

    @Test(.enabled(if: PostgresInstallation.serversWanted), arguments: [18])
    func `a backup killed at 60 % leaves 40 % to the next`(major: Int) throws {
        try ProtectedServer.with(.required(major)) { protected in
            let server = protected.server
            // 20 tables of 1280 pages each: a draft lists complete files.
            for number in 0..<20 {
                try server.psql(
                    """
                    create table big\(number) with (autovacuum_enabled = off) as
                        select g, repeat(md5(g::text), 240) pad from generate_series(1, 10) g;
                    alter table big\(number) alter pad set storage plain;
                    insert into big\(number) select g, repeat(md5(g::text), 240)
                        from generate_series(1, 1280) g;
                    """
                )
            }
            try server.psql("checkpoint")
            // Slowed down, so that the moment can be met.
            let command = try protected.startPgkeep([
                "backup", "create", ProtectedServer.name, "--workers", "1", "--max-rate", "30000",
            ])
            let objects = VaultObjects(vault: protected.vault)
            try waitUntil("the third draft is saved", seconds: 120) {
                #expect(command.isRunning)
                return try objects.names().contains {
                    $0.contains("/draft/") && !$0.hasSuffix("/00000000")
                        && !$0.hasSuffix("/00000001")
                }
            }
            command.signal(SIGKILL)
            _ = try #require(command.wait(seconds: 60))
            let point = try protected.backup()
            #expect(point.parent == protected.firstPoint.id)
            let share = Double(point.pagesNew) / (20 * 1280)
            #expect(share > 0.2 && share < 0.65, "\(share)")
            _ = try protected.restoreOnly(["--point", point.id])
            try protected.succeed(["vault", "check", "--level", "decode"])
        }
    }
}
