import Domain
import Platform
import TestSupport
import Testing

/// Whoever protects something while others let things go keeps what is there when it is told that
/// it is done: holds, locks, immutability, policies, stops.
///
/// `PGKEEP_TEST_SCHEDULES` sets how many interleavings of each kind; seeds count up from
/// `PGKEEP_TEST_SEED`, or from 1.
struct ProtectionRaceTests {
    private static let schedules =
        environmentValue("PGKEEP_TEST_SCHEDULES").flatMap { UInt64($0) } ?? 60
    private static let first = environmentValue("PGKEEP_TEST_SEED").flatMap { UInt64($0) } ?? 1

    private func search(
        _ protection: ProtectionRace.Protection,
        _ count: UInt64,
        _ mutant: ProtectionRace.Mutant? = nil
    ) throws -> String? {
        let origin = try ProtectionRace.Origin(inTrash: protection == .trash)
        for number in 0..<count {
            let seed = Self.first &+ number
            let race = ProtectionRace(origin, protection, seed: seed, mutant: mutant)
            if let wrong = try race.run() { return wrong }
        }
        return nil
    }

    @Test(arguments: ProtectionRace.Protection.allCases)
    func `what is protected while others let go stays`(
        protection: ProtectionRace.Protection
    ) throws {
        let wrong = try search(protection, Self.schedules)
        #expect(wrong == nil, "\(wrong ?? "")")
    }

    @Test(arguments: ProtectionRace.Mutant.allCases)
    func `without the gate held points are lost, and the search finds it`(
        mutant: ProtectionRace.Mutant
    ) throws {
        let wrong = try search(.point, 600, mutant)
        #expect(wrong?.contains("lost, although protected") == true, "\(wrong ?? "nothing")")
    }
}
