public import Domain
public import Vaulting

/// Jobs: the answer of `job list`.
public struct JobListing: Sendable, Encodable {
    /// Which jobs are asked for.
    public struct Question: Sendable {
        /// Those that run, and those that ended since then; nil for all on record.
        public var since: Timestamp?
        /// Those of one instance; nil for all.
        public var instance: InstanceName?
        /// Those in one of these states; nil for all.
        public var states: Set<JobState>?
        /// Those of one of these kinds; nil for all.
        public var kinds: Set<JobKind>?

        /// A question from its words, as options or a query give them.
        ///
        /// `since` is a duration back or a time, 7 days when nil. Throws `.usage` for words that
        /// mean nothing.
        public init(
            since: String?,
            instance: String?,
            states: [String],
            kinds: [String],
            now: Timestamp,
            prefix: String
        ) throws {
            self.since = try Amount.moment(since ?? "7d", now: now, option: prefix + "since")
            self.instance = try instance.map { try InstanceName(checking: $0) }
            self.states = try Choices.read(states, prefix + "status", as: JobState.self)
            self.kinds = try Choices.read(kinds, prefix + "kind", as: JobKind.self)
        }
    }

    /// The jobs, oldest first.
    public var jobs: [JobRecord]

    /// Reads the jobs asked for.
    public static func read(_ context: JobContext, _ question: Question) throws -> JobListing {
        JobListing(
            jobs: try Jobs.list(
                context,
                since: question.since,
                instance: question.instance,
                states: question.states,
                kinds: question.kinds
            )
        )
    }
}
