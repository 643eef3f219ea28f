/// Where a job stands: `queued → running → an end`, and no way back from an end.
public enum JobState: String, Hashable, Sendable, Codable, CaseIterable {
    /// Asked for, and nobody has begun it.
    case queued
    /// Being done.
    case running
    /// Done.
    case completed
    /// Done, with something the operator should know.
    case completedWarning = "completed-warning"
    /// Not done; the error code says why.
    case failed
    /// Ended by the operator.
    case cancelled
    /// Not begun, for a reason that is no failure: nothing had changed, another one is at it.
    case skipped

    /// True when nothing can follow.
    public var isEnd: Bool { self != .queued && self != .running }

    /// True when all that was asked for is done.
    public var isSuccess: Bool { self == .completed || self == .completedWarning }

    /// Whether `next` may follow.
    ///
    /// A queued job fails when it cannot even be begun; a running one is skipped when it finds,
    /// before it has done anything, that another is at the same.
    public func canBecome(_ next: JobState) -> Bool {
        switch (self, next) {
        case (.queued, .running), (.queued, .failed), (.queued, .cancelled), (.queued, .skipped):
            true
        case (.running, _): next.isEnd
        default: false
        }
    }
}
