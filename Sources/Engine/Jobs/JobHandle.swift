public import Domain

/// A running job, for the work that is done in it.
public struct JobHandle: Sendable {
    /// Which job.
    public let id: JobID
    /// What the job works with: its log lines are kept with the job.
    public let context: JobContext
    private let reporter: JobReporter

    init(_ reporter: JobReporter, context: JobContext) {
        id = reporter.id
        self.reporter = reporter
        self.context = context
    }

    /// Notes what the operator should know although the job is done: it will end as
    /// `completed-warning`.
    public func warn(_ text: String) { reporter.warn(text) }

    /// Names the point the job makes, restores or deletes.
    public func setPoint(_ point: PointID) { reporter.setPoint(point) }
}
