import Domain
import Platform
import TestSupport
import Testing

/// Zones against the C library, which reads the same files.
struct TimeZoneFileTests {
    private static let zones = [
        "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata",
        "America/St_Johns", "Africa/Casablanca", "Europe/Dublin", "Asia/Tokyo",
        "America/Santiago", "Pacific/Apia", "Etc/GMT+12", "Antarctica/Troll",
    ]

    /// What date(1) says of moments, in seconds ahead of UTC.
    private func offsets(_ zone: String, _ moments: [Int64]) throws -> [Int64] {
        let file = try ScratchDirectory()
        let path = file.file("moments")
        try FileSystem.writeAtomically(
            path,
            Array(moments.map { "@\($0)\n" }.joined().utf8)
        )
        let result = try CommandRunner(environment: ["TZ": zone]).run(
            "/usr/bin/date",
            ["-f", path, "+%z"]
        )
        return result.output.split(separator: "\n").map { line in
            let sign: Int64 = line.hasPrefix("-") ? -1 : 1
            let digits = Int64(line.dropFirst()) ?? 0
            return sign * (digits / 100 * 3600 + digits % 100 * 60)
        }
    }

    @Test(arguments: zones)
    func `clocks show what date shows`(_ zone: String) throws {
        var random = SeededRandom(stream: "zone \(zone)")
        let rules = try TimeZoneFile.rules(zone)
        // From 1970 to 2100, most of it behind the last change the file lists.
        let moments = (0..<400).map { _ in Int64.random(in: 0...4_102_444_800, using: &random) }
        let expected = try offsets(zone, moments)
        try #require(expected.count == moments.count)
        for (moment, offset) in zip(moments, expected) {
            let found = rules.offset(at: Timestamp(seconds: moment))
            #expect(found == offset, "\(zone) at \(Timestamp(seconds: moment))")
        }
    }

    @Test(arguments: ["", "Nowhere/Land", "../../etc/passwd", "/etc/localtime", "Europe"])
    func `what is no zone is refused`(_ name: String) {
        let error = #expect(throws: PgkeepError.self) { try TimeZoneFile.rules(name) }
        #expect(error?.code == .usage)
    }

    @Test func `broken files are found`() throws {
        let bytes = try FileSystem.readFile("/usr/share/zoneinfo/Europe/Berlin")
        #expect(TimeZoneFile(name: "x", bytes) != nil)
        for length in [0, 10, 44, bytes.count / 2] {
            #expect(TimeZoneFile(name: "x", Array(bytes.prefix(length))) == nil, "\(length)")
        }
        #expect(try TimeZoneFile.rules("UTC").offset(at: Timestamp(seconds: 1)) == 0)
    }
}
