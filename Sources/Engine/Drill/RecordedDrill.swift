public import Domain
public import Vaulting

/// A drill that is on record as a job, with its receipt.
public enum RecordedDrill {
    /// What a drill came to.
    public struct Result: Sendable {
        /// The receipt.
        public var drill: Drill
        /// What it was ended by; nil for a copy that is sound.
        public var error: PgkeepError?

        package init(drill: Drill, error: PgkeepError?) {
            self.drill = drill
            self.error = error
        }
    }

    /// Drills `instance`; on return nothing is left of the copy and the receipt is kept.
    ///
    /// - Parameter around: runs the drill with notices before and after it.
    /// - Throws: what keeps it from being begun at all.
    public static func run(
        _ context: JobContext,
        _ instance: InstanceRecord,
        _ options: DrillOptions,
        around: (JobHandle, () throws -> Drill) throws -> Drill = { try $1() }
    ) throws -> Result {
        var id: JobID?
        do {
            let drill = try Job.run(
                context,
                kind: .drill,
                instance: instance.name,
                trigger: options.trigger
            ) { job in
                id = job.id
                return try around(job) {
                    try translating(instance) { try DrillJob(job, instance, options).run() }
                }
            }
            return Result(drill: drill, error: nil)
        } catch let error as PgkeepError {
            guard let id, let drill = try Drills.read(context, id) else { throw error }
            return Result(drill: drill, error: error)
        }
    }

    /// A server that does not come up is no surprise here but what a drill is for: exit 6.
    private static func translating<Value>(
        _ instance: InstanceRecord,
        _ body: () throws -> Value
    ) throws -> Value {
        do {
            return try body()
        } catch let error as PgkeepError where error.code == .recoveryFailed {
            throw PgkeepError(
                .drillUnsound,
                "the copy of \(instance.name) does not recover",
                hint: "restore by hand to look at it: pgkeep restore start \(instance.name)"
                    + " --to-dir DIR --run",
                cause: error
            )
        }
    }
}
