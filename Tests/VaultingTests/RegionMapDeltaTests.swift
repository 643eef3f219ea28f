import Domain
import TestSupport
import Testing
import Vaulting

/// When a region's change against its base is no longer worth it.
@Suite struct RegionMapDeltaTests {
    private static let pages = 20_000

    private static func pack(_ day: Int) -> PackID {
        PackID(session: PointID(milliseconds: UInt64(day) + 1, random: (1, 2)), number: 0)
    }

    /// A region over many days: what its maps have cost.
    private struct Region {
        var map: RegionMap
        var base: RegionMap
        var written = 0
        var bases = 1
        private let fullBytes: Int

        init(_ random: inout SeededRandom) {
            map = RegionMap(
                packs: [pack(0)],
                locations: (0..<UInt32(pages)).map { MapLocation(pack: 0, page: $0) },
                fingerprints: (0..<pages).map { _ in random.next() }
            )
            base = map
            fullBytes = map.encodedLocations().count + map.encodedFingerprints().count
            written = fullBytes
        }

        /// The pages of `changed` get new content on `day`.
        mutating func pass(_ day: Int, _ changed: Set<Int>, _ random: inout SeededRandom) {
            map.packs.append(pack(day))
            for (number, page) in changed.sorted().enumerated() {
                map.locations[page] = MapLocation(
                    pack: UInt32(map.packs.count - 1),
                    page: UInt32(number)
                )
                map.fingerprints[page] = random.next()
            }
            let delta = RegionMapDelta(of: map, from: base)
            if delta.isDue(for: fullBytes) {
                base = map
                bases += 1
                written += fullBytes
            } else {
                written += delta.bytes.count
            }
        }
    }

    @Test func `the maps of evenly spread changes cost what they must, not more`() {
        var random = SeededRandom(stream: "delta rule")
        for perDay in [2, 20, 200] {
            var region = Region(&random)
            let base = Double(region.written)
            for day in 1...200 {
                let changed = Set(
                    (0..<perDay).map { _ in
                        Int.random(in: 0..<Self.pages, using: &random)
                    }
                )
                region.pass(day, changed, &random)
            }
            // A listed page takes its fingerprint and about seven bytes of position and place.
            let lowest = (2 * base * Double(perDay) * 15).squareRoot() * 200
            let cost = Double(region.written) - base
            #expect(cost < lowest * 1.2, "\(perDay) a day: \(cost) against \(lowest)")
            #expect(region.bases > 1 || perDay == 2)
        }
    }

    @Test func `pages that change every day need no second base`() {
        var random = SeededRandom(stream: "hot pages")
        var region = Region(&random)
        for day in 1...100 { region.pass(day, Set(0..<100), &random) }
        #expect(region.bases == 1)
    }

    @Test func `one quiet day after a busy one needs no new base`() {
        var random = SeededRandom(stream: "quiet")
        var region = Region(&random)
        for day in 1...5 {
            region.pass(day * 2, Set(0..<200), &random)
            region.pass(day * 2 + 1, [day], &random)
        }
        #expect(region.bases == 1)
    }

    @Test func `a region that changed throughout gets a new base at once`() {
        var random = SeededRandom(stream: "throughout")
        var region = Region(&random)
        region.pass(1, Set(0..<Self.pages), &random)
        #expect(region.bases == 2)
    }

    @Test func `packs that lost all their pages are no longer named`() throws {
        var random = SeededRandom(stream: "lost packs")
        var region = Region(&random)
        region.pass(1, Set(0..<Self.pages), &random)
        let delta = RegionMapDelta(
            of: region.map,
            from: RegionMap(
                packs: [Self.pack(0)],
                locations: (0..<UInt32(Self.pages)).map { MapLocation(pack: 0, page: $0) },
                fingerprints: region.map.fingerprints
            )
        )
        let old = RegionMap(
            packs: [Self.pack(0)],
            locations: (0..<UInt32(Self.pages)).map { MapLocation(pack: 0, page: $0) },
            fingerprints: region.map.fingerprints
        )
        let read = try delta.bytes.withUnsafeBytes { try old.applying(delta: $0, "a test") }
        #expect(read.packs == [Self.pack(1)])
        #expect(read.fingerprints == region.map.fingerprints)
    }
}
