import Domain
import Platform
import Postgres
import TestSupport
import Testing

struct ControlFileTests {
    private func control(_ bytes: [UInt8]) throws -> ControlFile {
        try bytes.withUnsafeBytes { bytes throws(PgkeepError) in try ControlFile(bytes) }
    }

    private func expected(_ major: Int) throws -> [String: String] {
        var values: [String: String] = [:]
        for line in try Fixture.lines(major, "control.txt") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            values[String(line[..<colon])] = String(value)
        }
        return values
    }

    @Test(arguments: Fixture.majors)
    func `a control file says what pg_controldata says`(major: Int) throws {
        let file = try control(Fixture.bytes(major, "control"))
        let expected = try expected(major)
        let checkpoint = file.checkpointCopy
        let found: [String: String] = [
            "Catalog version number": "\(file.catalogVersion)",
            "Database system identifier": "\(file.systemIdentifier)",
            "Latest checkpoint location": "\(file.checkpoint)",
            "Latest checkpoint's REDO location": "\(checkpoint.redo)",
            "Latest checkpoint's TimeLineID": "\(checkpoint.timeline)",
            "Latest checkpoint's PrevTimeLineID": "\(checkpoint.previousTimeline)",
            "Latest checkpoint's NextXID":
                "\(checkpoint.nextXID >> 32):\(checkpoint.nextXID & 0xffff_ffff)",
            "Minimum recovery ending location": "\(file.minimumRecoveryPoint)",
            "Min recovery ending loc's timeline": "\(file.minimumRecoveryTimeline)",
            "Backup start location": "\(file.backupStart)",
            "Backup end location": "\(file.backupEnd)",
            "End-of-backup record required": file.needsBackupEnd ? "yes" : "no",
            "max_connections setting": "\(file.settings.maxConnections)",
            "max_worker_processes setting": "\(file.settings.maxWorkerProcesses)",
            "max_wal_senders setting": "\(file.settings.maxWALSenders)",
            "max_prepared_xacts setting": "\(file.settings.maxPreparedTransactions)",
            "max_locks_per_xact setting": "\(file.settings.maxLocksPerTransaction)",
            "Database block size": "\(file.blockSize)",
            "Blocks per segment of large relation": "\(file.segmentPages)",
            "WAL block size": "\(file.walBlockSize)",
            "Bytes per WAL segment": "\(file.segmentSize.bytes)",
            "Data page checksum version": file.hasDataChecksums ? "1" : "0",
        ]
        for (key, value) in found { #expect(expected[key] == value, "\(key)") }
        #expect(file.majorVersion == major && file.walLevel == 1 && file.state == .production)
        // Both run with TZ=UTC: "Sat Nov 21 08:09:06 2026".
        for (key, time) in [
            ("pg_control last modified", file.modified),
            ("Time of latest checkpoint", checkpoint.time),
        ] {
            let clock = try #require(expected[key]?.split(separator: " ")[3])
            #expect(time.description.contains("T\(clock)Z"), "\(key)")
        }
        let catalog = file.catalogVersion
        #expect(file.tablespaceDirectory == "PG_\(major)_\(catalog)")
        #expect(ControlFile.majorVersion(catalogVersion: catalog) == major)
    }

    @Test func `any flipped bit in what the checksum covers is found`() throws {
        let bytes = try Fixture.bytes(18, "control")
        for at in 0..<296 {
            var flipped = bytes
            flipped[at] ^= 1 << UInt8(at % 8)
            #expect(throws: PgkeepError.self, "byte \(at)") { try control(flipped) }
        }
        var behind = bytes
        behind[300] = 1
        #expect(try control(behind) == control(bytes))
        #expect(throws: PgkeepError.self) { try control(Array(bytes.prefix(295))) }
        #expect(try control(Array(bytes.prefix(296))) == control(bytes))
    }

    @Test func `an unknown version is refused with what was found`() throws {
        var bytes = try Fixture.bytes(18, "control")
        bytes[12] &+= 1
        let error = #expect(throws: PgkeepError.self) { try control(bytes) }
        #expect(error?.code == .sourceUnsupported)
        #expect(error?.message.contains("1800") == true)
    }

    @Test func `mutated control files never break the reader`() throws {
        var random = SeededRandom(stream: "control fuzz")
        let bytes = Array(try Fixture.bytes(16, "control").prefix(400))
        for _ in 0..<2000 { _ = try? control(mutated(bytes, &random)) }
    }
}
