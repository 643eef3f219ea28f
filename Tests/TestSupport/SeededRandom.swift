/// Random numbers that can be had again: SplitMix64, seeded and telling its seed.
///
/// The seed comes from `PGKEEP_TEST_SEED` or the machine and is printed once per process, so that a
/// failed run can be repeated exactly.
public struct SeededRandom: RandomNumberGenerator, Sendable {
    /// The seed of this process.
    public static let processSeed: UInt64 = {
        let given = environmentValue("PGKEEP_TEST_SEED").flatMap { UInt64($0) }
        let seed = given ?? UInt64.random(in: 0...UInt64.max)
        print("random seed: PGKEEP_TEST_SEED=\(seed)")
        return seed
    }()

    private var state: UInt64

    /// The sequence of `stream` under the process's seed; different streams differ.
    public init(stream: String) {
        var state = Self.processSeed
        for byte in stream.utf8 { state = (state ^ UInt64(byte)) &* 0x100_0000_01b3 }
        self.state = state
    }

    /// The sequence of a fixed seed, for tests that must always see the same numbers.
    public init(seed: UInt64) { state = seed }

    /// The next 64 bits.
    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// `count` random bytes.
    public mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }
}
