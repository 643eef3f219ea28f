import Domain

/// A plain account of what was promised of one instance and what must be there because of it, kept
/// by a test beside the vault and compared with it.
///
/// It knows whole segments of WAL and moments of days; everything that happens is hours apart, so
/// that nothing hangs on seconds.
struct YearAccount {
    /// A recovery point, as its backup told.
    struct Point {
        var id: String
        var consistentAt: Timestamp
        var expiresAt: Timestamp
        /// The segments that make it consistent.
        var segments: ClosedRange<UInt64>
    }

    /// A moment between two commits of a day.
    struct Moment {
        var time: Timestamp
        /// The segment of the next commit: replay must get there.
        var segment: UInt64
        /// False in a pause: what comes of it is for the server to say.
        var isPromised = true
    }

    /// By position.
    private(set) var points: [Point] = []
    /// Oldest first.
    private(set) var moments: [Moment] = []
    /// The segments that must be there.
    private(set) var wal: Set<UInt64> = []
    /// Ids of points held.
    var held: Set<String> = []
    var retentionDays: Int64 = 7
    /// The last moment the server's clock is known to have shown.
    private(set) var heard = Timestamp(microseconds: 0)
    /// Moments before this one were not promised any more at some time.
    private(set) var floor = Timestamp(microseconds: 0)
    /// Points let go.
    private(set) var dropped = 0
    private var streamed: UInt64?
    private var paused: UInt64?
    private var pauses: [Range<UInt64>] = []

    private var retention: Int64 { retentionDays * 86400 }

    // MARK: What happens

    /// A backup was taken. Returns what is wrong with what was promised of it.
    mutating func add(_ point: Point, at time: Timestamp) -> String? {
        points.append(point)
        wal.formUnion(point.segments)
        if streamed == nil {
            streamed = point.segments.lowerBound
            if let paused { pauses.append(paused + 1..<point.segments.lowerBound) }
            paused = nil
        }
        heard = max(heard, time)
        let wanted = time.adding(seconds: retention)
        let isRight = abs(point.expiresAt.seconds(since: wanted)) < 3600
        return isRight ? nil : "\(point.id) expires at \(point.expiresAt), not \(wanted)"
    }

    /// WAL was fetched up to a segment, which the last commit lies in.
    mutating func stream(to segment: UInt64, at time: Timestamp) {
        if let streamed { wal.formUnion(streamed...max(streamed, segment)) }
        streamed = segment
        heard = max(heard, time)
    }

    mutating func add(_ moment: Moment) { moments.append(moment) }

    /// Protection ended.
    mutating func stopStream() {
        if let streamed, let last = points.last?.segments.upperBound {
            wal.formUnion(streamed...max(streamed, last))
            paused = last
        }
        streamed = nil
    }

    /// Protection goes on, while the server has these segments of its WAL, up to the current one.
    /// Returns true when that is all that was written meanwhile: then the next stream fetches it,
    /// and there is no gap. Otherwise what comes next begins with a backup.
    mutating func resume(kept: Set<UInt64>, upTo current: UInt64) -> Bool {
        guard let paused, paused < current, kept.isSuperset(of: paused + 1...current) else {
            return false
        }
        streamed = paused
        self.paused = nil
        return true
    }

    /// Pruning at a moment that has certainly come; nil when nothing may expire.
    mutating func prune(_ clock: Timestamp?) {
        guard let clock else { return keepWAL(since: nil) }
        let now = min(clock, heard)
        let since = now.adding(seconds: -retention)
        floor = max(floor, since)
        var needed = held
        if let newest = points.last { needed.insert(newest.id) }
        for run in runs {
            let isLast = run.last?.id == points.last?.id
            guard let end = run.last?.consistentAt, isLast || end >= since else { continue }
            // To reach the first moment wanted one begins with the point before it.
            let first = run.last { $0.consistentAt <= since } ?? run.first
            if let first { needed.insert(first.id) }
        }
        let before = points.count
        points.removeAll { $0.expiresAt <= now && !needed.contains($0.id) }
        dropped += before - points.count
        keepWAL(since: since)
    }

    /// Points between which no WAL is missing.
    private var runs: [[Point]] {
        var runs: [[Point]] = []
        for point in points {
            if let last = runs.last?.last, isWhole(last.segments.lowerBound, point) {
                runs[runs.count - 1].append(point)
            } else {
                runs.append([point])
            }
        }
        return runs
    }

    private func isWhole(_ from: UInt64, _ point: Point) -> Bool {
        from <= point.segments.upperBound
            && (from...point.segments.upperBound).allSatisfy { wal.contains($0) }
    }

    /// WAL stays from the point on that the first moment wanted is reached from, and what makes
    /// each older point consistent.
    private mutating func keepWAL(since: Timestamp?) {
        let anchor = since.flatMap { since in points.last { $0.consistentAt <= since } }
        guard let start = (anchor ?? points.first)?.segments.lowerBound else { return }
        let islands = points.reduce(into: Set<UInt64>()) { $0.formUnion($1.segments) }
        wal = wal.filter { $0 >= start || islands.contains($0) }
        pauses = pauses.filter { $0.upperBound > start }
            .map { max($0.lowerBound, start)..<$0.upperBound }
    }

    // MARK: What must be

    /// True for WAL of a pause with a gap: nobody has promised it, nor that it goes before what is
    /// older does.
    func isUnspoken(_ segment: UInt64) -> Bool {
        if streamed == nil, let paused, segment > paused { return true }
        return pauses.contains { $0.contains(segment) }
    }

    /// The moments one can restore to.
    var reachable: [Moment] {
        moments.filter { moment in
            guard let base = points.last(where: { $0.consistentAt <= moment.time }) else {
                return false
            }
            let start = base.segments.lowerBound
            return start <= moment.segment
                && (start...moment.segment).allSatisfy { wal.contains($0) }
        }
    }

    /// The moments that are promised: those of the days the policy names, but for what an earlier
    /// policy had let go.
    var promised: [Moment] {
        moments.filter { $0.isPromised && $0.time >= floor && $0.time <= heard }
    }
}
