import Domain
import Engine
import Platform
import Storage
import TestSupport
import Testing
import Vaulting

/// Old packs empty: space stays bounded however long it goes on, and no restored byte changes.
@Suite struct EvacuationTests {
    private typealias File = TarMaker.File

    private static let daySeconds: Double = 86_400
    private static let pointsKept = 14
    /// Pages of the one file with region maps, and of each of ten with inline maps.
    private static let sizes = (region: 500, inline: 50)
    private static var pages: Int { sizes.region + 10 * sizes.inline }

    private final class Days {
        let instance: SyntheticInstance
        var random: SeededRandom
        var kept: [(id: PointID, files: [String: TarMaker.File])] = []
        /// Bytes of all packs, as a share of the database, day by day.
        var stored: [Double] = []
        var pagesNew: UInt64 = 0

        init(_ stream: String) throws {
            instance = try SyntheticInstance()
            random = SeededRandom(stream: stream)
            // As many packs as an instance of any size has.
            instance.packLimit = UInt64(pages * 8192 / 32)
            instance.files["base/5/region"] = File(random.bytes(sizes.region * 8192))
            for number in 0..<10 {
                instance.files["base/5/inline-\(number)"] = File(random.bytes(sizes.inline * 8192))
            }
        }

        /// One day: some pages change, a backup is taken, the oldest points go.
        func pass(changing count: Int, _ policy: Evacuation.Policy) throws {
            let names = instance.files.keys.sorted()
            for _ in 0..<count {
                let number = Int.random(in: 0..<pages, using: &random)
                let isRegion = number < sizes.region
                let inline = (number - sizes.region) / sizes.inline
                let name = isRegion ? "base/5/region" : names[inline]
                let page = isRegion ? number : (number - sizes.region) % sizes.inline
                instance.files[name]?.pages[page] = random.bytes(8192)
            }
            let point = try instance.backUp(after: kept.last?.id, policy: policy)
            pagesNew += point.pagesNew
            kept.append((point.id, instance.files))
            if kept.count > pointsKept { try instance.remove([kept.removeFirst().id]) }
            stored.append(Double(try instance.packBytes()) / Double(pages * 8192))
            instance.clock.advance(seconds: daySeconds)
        }

        func expectWhole() throws {
            for point in kept {
                #expect(try instance.difference(of: point.id, from: point.files) == nil)
            }
        }
    }

    @Test func `at 1 % of the pages a day the vault stops growing`() throws {
        let days = try Days("evacuation")
        for day in 0..<150 {
            try days.pass(changing: Self.pages / 100, Evacuation.Policy())
            if day % 25 == 0 { try days.expectWhole() }
        }
        try days.expectWhole()
        let damage = try days.instance.damage()
        #expect(damage.isEmpty, "\(damage)")
        #expect(days.stored.allSatisfy { $0 <= 2.3 }, "\(days.stored)")
        // Flat in the end: the second half is no higher than what the first half came to.
        let halves = (days.stored[..<75].max() ?? 0, days.stored[75...].max() ?? 0)
        #expect(halves.1 <= halves.0 * 1.15, "\(halves)")
        // Storing again costs less than what changed does.
        let changed = Double(Self.pages + 149 * Self.pages / 100)
        #expect(Double(days.pagesNew) < changed + 150 * Double(Self.pages) / 100)
        // Deleted in any order, the points leave the others whole.
        while let index = days.kept.indices.randomElement(using: &days.random) {
            try days.instance.remove([days.kept.remove(at: index).id])
            if days.kept.count % 4 == 0 { try days.expectWhole() }
        }
        #expect(try days.instance.packBytes() == 0)
    }

    @Test func `without it the same days would go on growing`() throws {
        let days = try Days("evacuation")
        var policy = Evacuation.Policy()
        policy.threshold = 0
        for _ in 0..<150 { try days.pass(changing: Self.pages / 100, policy) }
        try days.expectWhole()
        #expect(days.stored[149] > 2.3)
        #expect(days.pagesNew <= UInt64(Self.pages + 149 * Self.pages / 100))
    }

    @Test func `a day's packs are left alone, and the budget holds`() throws {
        let days = try Days("budget")
        let instance = days.instance
        instance.workers = 1
        let first = try instance.backUp(after: nil)
        // Four fifths change: what is left of the first packs is sparse at once.
        for name in instance.files.keys.sorted() {
            guard let file = instance.files[name] else { continue }
            for page in file.pages.keys where page % 5 > 0 {
                instance.files[name]?.pages[page] = days.random.bytes(8192)
            }
        }
        let second = try instance.backUp(after: first.id)
        #expect(second.pagesNew == UInt64(Self.pages) * 4 / 5)
        let young = try instance.backUp(after: second.id)
        #expect(young.pagesNew == 0)
        instance.clock.advance(seconds: Self.daySeconds * 2)
        let quiet = try instance.backUp(after: young.id)
        #expect(quiet.pagesNew == UInt64(Self.pages) / 100)
        // New pages raise the budget: half as many may follow.
        for page in 0..<40 {
            instance.files["base/5/inline-0"]?.pages[page] = days.random.bytes(8192)
        }
        let busy = try instance.backUp(after: quiet.id)
        #expect(busy.pagesNew > 40 + UInt64(Self.pages) / 100)
        #expect(busy.pagesNew <= 60)
        var policy = Evacuation.Policy()
        policy.shareOfAll = 1
        let last = try instance.backUp(after: busy.id, policy: policy)
        let root = try PointReader(instance.vault, SyntheticInstance.system, last.id).root
        #expect(!root.packs.contains { $0.info.id.session == first.id })
        #expect(try instance.difference(of: last.id, from: instance.files) == nil)
        let damage = try instance.damage()
        #expect(damage.isEmpty, "\(damage)")
    }
}
