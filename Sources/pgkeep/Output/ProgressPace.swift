import Engine

/// Derives speed and remaining time from a job's byte counts. No clock of its own.
struct ProgressPace {
    private var phase = ""
    private var last: (bytes: UInt64, seconds: Double)?
    private var rate: Double?

    /// Seconds over which the speed is smoothed.
    private static let smoothing = 5.0

    /// Takes in the state at `seconds` of a monotonic clock.
    mutating func update(_ progress: Progress, at seconds: Double) {
        defer { last = (progress.doneBytes, seconds) }
        guard let last, progress.phase == phase, progress.doneBytes >= last.bytes else {
            phase = progress.phase
            rate = nil
            return
        }
        let elapsed = seconds - last.seconds
        guard elapsed > 0 else { return }
        let current = Double(progress.doneBytes - last.bytes) / elapsed
        // An exponential mean: a measurement weighs as much as the time it covers.
        let weight = min(1, elapsed / Self.smoothing)
        rate = rate.map { $0 + (current - $0) * weight } ?? current
    }

    /// One line: phase, bytes, share, speed, time left, note.
    func text(_ progress: Progress) -> String {
        var parts = [progress.phase]
        let done = Wording.bytes(progress.doneBytes)
        if let total = progress.totalBytes, total > 0 {
            let share = Int(Double(progress.doneBytes) / Double(total) * 100)
            parts.append("\(done) of \(Wording.bytes(total))  \(share) %")
        } else if progress.doneBytes > 0 {
            parts.append(done)
        }
        if let rate, rate >= 1 {
            parts.append("\(Wording.bytes(UInt64(min(rate, 1e15))))/s")
            if let total = progress.totalBytes, total > progress.doneBytes {
                parts.append(Wording.duration(Double(total - progress.doneBytes) / rate) + " left")
            }
        }
        if !progress.note.isEmpty { parts.append(progress.note) }
        return parts.joined(separator: "  ")
    }
}
