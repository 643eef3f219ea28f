import Domain
import Engine
import Platform
import TestSupport
import Testing

/// Which pages of a point are judged by their checksums.
@Suite struct PageJudgementTests {
    private static let start = LSN(0x5000_0000)
    private func point(_ change: (inout RecoveryPoint) -> Void = { _ in }) throws -> RecoveryPoint {
        let time = Timestamp(seconds: 1_767_225_600)
        var point = RecoveryPoint(
            id: PointID(time: time, random: (1, 2)),
            instance: try #require(InstanceName("main")),
            systemIdentifier: SystemIdentifier(1),
            startedAt: time,
            finishedAt: time,
            consistentAt: time,
            startLSN: Self.start,
            stopLSN: Self.start + 0x100,
            timeline: 1,
            serverVersion: ServerVersion(number: 180_000)
        )
        point.dataChecksums = true
        change(&point)
        return point
    }

    /// A used page with this position and, unless `isWrong`, the right checksum for its block.
    private func page(_ lsn: LSN, block: UInt32, isWrong: Bool = false) -> [UInt8] {
        var page = [UInt8](repeating: 0x5a, count: 8192)
        func put(_ value: UInt32, at offset: Int) {
            withUnsafeBytes(of: value) { page.replaceSubrange(offset..<offset + 4, with: $0) }
        }
        put(UInt32(lsn.rawValue >> 32), at: 0)
        put(UInt32(truncatingIfNeeded: lsn.rawValue), at: 4)
        let sum = page.withUnsafeBytes { pageChecksum($0, block: block) } ^ (isWrong ? 1 : 0)
        withUnsafeBytes(of: sum) { page.replaceSubrange(8..<10, with: $0) }
        return page
    }

    private func verdict(
        _ point: RecoveryPoint,
        _ page: [UInt8],
        _ path: String = "base/5/16384",
        size: UInt64 = 80 * 8192,
        number: Int = 7
    ) -> String? {
        let judge = PageJudgement.judge(point, path: Array(path.utf8), size: size)
        return page.withUnsafeBytes { judge?(number, $0) }
    }

    @Test func `an old page with a wrong checksum is told, a sound one is not`() throws {
        let old = LSN(Self.start.rawValue - 1)
        #expect(try verdict(point(), page(old, block: 7)) == nil)
        #expect(try verdict(point(), page(old, block: 7, isWrong: true)) != nil)
        // A page in another's place has the checksum of another block.
        #expect(try verdict(point(), page(old, block: 8)) != nil)
        for path in [
            "base/5/16384_vm", "base/5/16384_fsm", "global/1262", "base/5/16384_init",
            "pg_tblspc/16400/PG_18_202506291/5/16384",
        ] {
            #expect(
                try verdict(point(), page(old, block: 7, isWrong: true), path) != nil,
                "\(path)"
            )
        }
    }

    @Test func `blocks of later segments are counted from the first`() throws {
        let old = LSN(1)
        let block = 2 * 131_072 + 7
        #expect(try verdict(point(), page(old, block: UInt32(block)), "base/5/16384.2") == nil)
        #expect(try verdict(point(), page(old, block: 7), "base/5/16384.2") != nil)
    }

    @Test func `a page changed during the backup may be torn`() throws {
        for lsn in [Self.start, Self.start + 1, Self.start + 0x1000_0000] {
            #expect(try verdict(point(), page(lsn, block: 7, isWrong: true)) == nil)
        }
    }

    @Test func `what has no checksums is not judged`() throws {
        let wrong = page(LSN(1), block: 7, isWrong: true)
        let without = try point { $0.dataChecksums = false }
        #expect(verdict(without, wrong) == nil)
        let large = try point { $0.blockSize = 16384 }
        #expect(verdict(large, wrong) == nil)
        for path in [
            "global/pg_control", "base/5/PG_VERSION", "base/5/pg_filenode.map",
            "base/5/t3_16384", "pg_wal/000000010000000000000001", "base/5/16384.old",
        ] {
            #expect(try verdict(point(), wrong, path) == nil, "\(path)")
        }
        // Never used, and not whole.
        var unused = wrong
        unused[14] = 0
        unused[15] = 0
        #expect(try verdict(point(), unused) == nil)
        #expect(try verdict(point(), wrong, size: 7 * 8192 + 100) == nil)
        #expect(try verdict(point(), wrong, size: 8 * 8192) != nil)
    }
}
