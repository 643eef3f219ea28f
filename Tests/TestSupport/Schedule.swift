import Domain
import Platform

/// Lets exactly one of several actors run at a time, and decides before every store call, from a
/// seed, which one goes on: the same seed is the same interleaving.
///
/// Each actor is a thread. Whoever arrives at a gate passes the baton on, so that a step costs a
/// change of threads only when another actor is next.
public final class Schedule: Sendable {
    /// What can happen to an actor besides waiting.
    public struct Chances: Sendable {
        /// Of a crash before a call, one in so many; 0 for never.
        public var crash: Int
        /// Of a lost acknowledgement after a change.
        public var lostAnswer: Int

        /// None unless told.
        public init(crash: Int = 0, lostAnswer: Int = 0) {
            self.crash = crash
            self.lostAnswer = lostAnswer
        }
    }

    /// Thrown to an actor that is no more.
    public struct Crashed: Error {
        /// It is.
        public init() {}
    }

    private struct State {
        var random: SeededRandom
        var busy: Int
        var waiting: Set<Int> = []
        var weights: [Int]
        var crashed: Set<Int> = []
        var trace: [String] = []
        var violation: String?
        var unfinished: Int
    }

    private let state: Condition<State>
    private let batons: [Condition<Bool>]
    private let chances: Chances

    /// A schedule of so many actors, all of them running.
    public init(seed: UInt64, actors: Int, chances: Chances) {
        var random = SeededRandom(seed: seed)
        let weights = (0..<actors).map { _ in Self.weight(&random) }
        state = Condition(
            State(random: random, busy: actors, weights: weights, unfinished: actors)
        )
        batons = (0..<actors).map { _ in Condition(false) }
        self.chances = chances
    }

    /// 0 suspends an actor while others can run.
    private static func weight(_ random: inout SeededRandom) -> Int {
        [0, 1, 1, 4, 16].randomElement(using: &random) ?? 1
    }

    /// What went wrong, if anything.
    public var violation: String? { state.read { $0.violation } }

    /// The calls in their order, for reading what led to a violation.
    public var trace: String { state.read { $0.trace.joined(separator: "\n") } }

    /// Waits for the leave to make a call. Throws when the actor crashes here or has before.
    public func pass(_ actor: Int, _ call: @autoclosure () -> String) throws {
        let next: Int? = state.change { state in
            guard !state.crashed.contains(actor) else { return -1 }
            state.waiting.insert(actor)
            state.busy -= 1
            return choose(&state)
        }
        if next == -1 { throw Crashed() }
        if next != actor {
            if let next { batons[next].change { $0 = true } }
            batons[actor].wait { granted -> Void? in
                guard granted else { return nil }
                granted = false
                return ()
            }
        }
        try state.change { state in
            if state.violation != nil { state.crashed.insert(actor) }
            if Self.happens(chances.crash, &state.random) { state.crashed.insert(actor) }
            let isCrashed = state.crashed.contains(actor)
            state.trace.append("\(actor) \(isCrashed ? "crashes before " : "")\(call())")
            if isCrashed { throw Crashed() }
        }
    }

    /// True when the actor is no more.
    public func isCrashed(_ actor: Int) -> Bool { state.read { $0.crashed.contains(actor) } }

    /// Throws when the acknowledgement of a change is to be lost.
    public func answer(_ actor: Int, _ call: @autoclosure () -> String) throws {
        try state.change { state in
            guard !state.crashed.contains(actor), Self.happens(chances.lostAnswer, &state.random)
            else { return }
            state.trace.append("\(actor) loses the answer to \(call())")
            throw PgkeepError(.storeUnreachable, "the answer is lost")
        }
    }

    /// The actor has come to its end.
    public func finish(_ actor: Int) {
        let next: Int? = state.change { state in
            state.busy -= 1
            state.unfinished -= 1
            return choose(&state)
        }
        if let next { batons[next].change { $0 = true } }
    }

    /// Waits until all actors have ended.
    public func waitForEnd() { state.wait { $0.unfinished == 0 ? () : nil } }

    /// Ends the schedule: a promise was broken.
    public func fail(_ what: String) {
        state.change { $0.violation = $0.violation ?? what }
    }

    private static func happens(_ chance: Int, _ random: inout SeededRandom) -> Bool {
        chance > 0 && Int.random(in: 0..<chance, using: &random) == 0
    }

    private func choose(_ state: inout State) -> Int? {
        guard state.busy == 0, !state.waiting.isEmpty else { return nil }
        if Self.happens(12, &state.random) {
            let actor = Int.random(in: 0..<state.weights.count, using: &state.random)
            state.weights[actor] = Self.weight(&state.random)
        }
        let waiting = state.waiting.sorted()
        let total = waiting.reduce(0) { $0 + state.weights[$1] }
        var chosen = waiting[Int.random(in: 0..<waiting.count, using: &state.random)]
        if total > 0 {
            var mark = Int.random(in: 0..<total, using: &state.random)
            for actor in waiting {
                mark -= state.weights[actor]
                if mark < 0 {
                    chosen = actor
                    break
                }
            }
        }
        state.waiting.remove(chosen)
        state.busy = 1
        return chosen
    }
}
