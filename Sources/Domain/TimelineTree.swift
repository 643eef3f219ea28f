/// Which timelines there are and what each descends from, out of the history files at hand.
public struct TimelineTree: Hashable, Sendable {
    private var histories: [TimelineID: TimelineHistory] = [:]

    /// From the history files of the archive, in any order.
    public init(_ histories: some Sequence<TimelineHistory>) {
        for history in histories { self.histories[history.timeline] = history }
    }

    /// The history of a timeline; nil when neither its own file nor a descendant's tells it.
    ///
    /// A file repeats those of its ancestors, so a lost one is made up for by any descendant's.
    public func history(of timeline: TimelineID) -> TimelineHistory? {
        if let own = histories[timeline] { return own }
        if timeline == 1 { return .root(1) }
        for history in histories.values.sorted(by: { $0.timeline < $1.timeline }) {
            if let index = history.forks.firstIndex(where: { $0.timeline == timeline }) {
                return TimelineHistory(timeline: timeline, forks: Array(history.forks[..<index]))
            }
        }
        return nil
    }

    /// True when the timeline has a history file of its own, or needs none.
    public func hasFile(_ timeline: TimelineID) -> Bool {
        timeline == 1 || histories[timeline] != nil
    }

    /// All timelines named, ascending.
    public var timelines: [TimelineID] {
        Set(histories.values.flatMap { $0.forks.map(\.timeline) + [$0.timeline] }).sorted()
    }
}
