import Domain
import TestSupport
import Testing
import Vaulting

@Suite struct RegionMapTests {
    private static func pack(_ number: UInt32) -> PackID {
        PackID(
            session: PointID(milliseconds: UInt64(number) + 1, random: (1, 2)),
            number: number
        )
    }

    /// A map in runs of random lengths over a few packs, zero pages among them.
    private static func map(
        pages: Int,
        packs: Int,
        _ random: inout SeededRandom
    ) -> RegionMap {
        var locations: [MapLocation] = []
        while locations.count < pages {
            let length = min(pages - locations.count, Int.random(in: 1...40, using: &random))
            let first = UInt32.random(in: 0...1_000_000, using: &random)
            let pack = UInt32.random(in: 0..<UInt32(packs), using: &random)
            let isZero = Int.random(in: 0..<5, using: &random) == 0
            for offset in 0..<UInt32(length) {
                locations.append(
                    isZero ? .zero : MapLocation(pack: pack, page: first + offset)
                )
            }
        }
        let fingerprints = locations.map { $0.isZero ? 0 : random.next() }
        return RegionMap(
            packs: (0..<UInt32(packs)).map(pack),
            locations: locations,
            fingerprints: fingerprints
        )
    }

    private static func decode(
        _ locations: [UInt8],
        _ fingerprints: [UInt8]?
    ) throws -> RegionMap {
        try locations.withUnsafeBytes { locations in
            guard let fingerprints else {
                return try RegionMap(locations: locations, fingerprints: nil, "a test")
            }
            return try fingerprints.withUnsafeBytes {
                try RegionMap(locations: locations, fingerprints: $0, "a test")
            }
        }
    }

    @Test func `random maps come back`() throws {
        var random = SeededRandom(stream: "maps")
        for pages in [1, 2, 17, 64, 65, 1000, VaultFormat.regionPages] {
            let map = Self.map(pages: pages, packs: 1 + pages % 7, &random)
            let read = try Self.decode(map.encodedLocations(), map.encodedFingerprints())
            #expect(read == map)
            #expect(try Self.decode(map.encodedLocations(), nil).locations == map.locations)
        }
    }

    @Test func `the worst map there can be fits a frame, and the usual one takes next to nothing`()
        throws
    {
        var random = SeededRandom(seed: 4)
        let pages = VaultFormat.regionPages
        let worst = RegionMap(
            packs: (0..<60_000).map(Self.pack),
            locations: (0..<pages).map { _ in
                MapLocation(
                    pack: UInt32.random(in: 0..<60_000, using: &random),
                    page: UInt32.random(in: 0..<100_000, using: &random)
                )
            },
            fingerprints: [UInt64](repeating: 1, count: pages)
        )
        #expect(worst.encodedLocations().count <= VaultFormat.frameRawBytesMax)
        #expect(worst.encodedFingerprints().count <= VaultFormat.frameRawBytesMax)
        let usual = RegionMap(
            packs: [Self.pack(0)],
            locations: (0..<UInt32(pages)).map { MapLocation(pack: 0, page: $0) },
            fingerprints: worst.fingerprints
        )
        #expect(usual.encodedLocations().count < 64)
    }

    @Test func `base and delta give the new map, grown, shrunk and changed at random`() throws {
        var random = SeededRandom(stream: "deltas")
        for _ in 0..<60 {
            let oldPages = Int.random(in: 1...300, using: &random)
            let base = Self.map(pages: oldPages, packs: 3, &random)
            let newPages = Int.random(in: 1...300, using: &random)
            let fresh = Self.map(pages: newPages, packs: 2, &random)
            var changed = RegionMap(packs: base.packs, locations: [], fingerprints: [])
            // The session's own packs follow the base's in the table, as a builder makes them.
            changed.packs += [Self.pack(7), Self.pack(8)]
            for page in 0..<newPages {
                let keeps = page < oldPages && Int.random(in: 0..<4, using: &random) > 0
                let location = fresh.locations[page]
                let moved =
                    location.isZero
                    ? .zero : MapLocation(pack: location.pack + 3, page: location.page)
                changed.locations.append(keeps ? base.locations[page] : moved)
                changed.fingerprints.append(
                    keeps ? base.fingerprints[page] : fresh.fingerprints[page]
                )
            }
            let delta = RegionMapDelta(of: changed, from: base).bytes
            let read = try delta.withUnsafeBytes { try base.applying(delta: $0, "a test") }
            #expect(read.fingerprints == changed.fingerprints)
            #expect(Self.places(read) == Self.places(changed))
            let unread = RegionMap(packs: base.packs, locations: base.locations, fingerprints: [])
            let light = try delta.withUnsafeBytes { try unread.applying(delta: $0, "a test") }
            #expect(Self.places(light) == Self.places(changed))
            #expect(light.fingerprints.isEmpty)
        }
    }

    private static func places(_ map: RegionMap) -> [String] {
        map.locations.map { $0.isZero ? "zero" : "\(map.packs[Int($0.pack)])#\($0.page)" }
    }

    @Test func `an unchanged map has a delta of a few bytes`() {
        var random = SeededRandom(seed: 2)
        let map = Self.map(pages: 5000, packs: 4, &random)
        #expect(RegionMapDelta(of: map, from: map).bytes.count == 12)
    }

    @Test func `mangled maps are rejected or read, never trusted beyond their bounds`() throws {
        var random = SeededRandom(stream: "mangled maps")
        let map = Self.map(pages: 200, packs: 3, &random)
        let other = Self.map(pages: 230, packs: 3, &random)
        let frames = [map.encodedLocations(), RegionMapDelta(of: other, from: map).bytes]
        var rejected = 0
        for round in 0..<4000 {
            var bytes = frames[round % 2]
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] ^= UInt8(
                    1 << Int.random(in: 0..<8, using: &random)
                )
            }
            if round % 3 == 0 {
                bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random))
            }
            do {
                let read =
                    round % 2 == 0
                    ? try Self.decode(bytes, nil)
                    : try bytes.withUnsafeBytes { try map.applying(delta: $0, "a test") }
                #expect(read.pages <= VaultFormat.regionPages)
                #expect(read.locations.allSatisfy { $0.isZero || $0.pack < read.packs.count })
            } catch let error as PgkeepError {
                #expect([.integrity, .vaultVersion].contains(error.code))
                rejected += 1
            }
        }
        #expect(rejected > 1000)
    }
}
