import Domain
import Engine
import Vaulting

/// What the verbs answer that change an instance's state: its record, and what should be known.
struct LifecycleAnswer: Encodable {
    var instance: InstanceRecord
    /// The last backup of a deleted instance.
    var finalPoint: RecoveryPoint?
    var warnings: [String]

    private enum CodingKeys: String, CodingKey {
        case instance, warnings
        case finalPoint = "final_point"
    }

    init(_ instance: InstanceRecord, finalPoint: RecoveryPoint? = nil, warnings: [String] = []) {
        self.instance = instance
        self.finalPoint = finalPoint
        self.warnings = warnings
    }

    var lines: [String] {
        warnings.map { "warning: \($0)" } + (finalPoint.map { [PointText.made($0)] } ?? [])
            + [sentence]
    }

    private var sentence: String {
        let name = instance.name
        let lock = instance.lock.map { ", locked (\($0.rawValue))" } ?? ""
        switch instance.state {
        case .active: return "Instance \(name) is active\(lock)."
        case .stoppedForever:
            return "Instance \(name) is stopped\(lock); all its points stay."
                + " Take it up again: pgkeep instance resume \(name)"
        case .stoppedPolicy:
            return "Instance \(name) is stopped\(lock); its points expire, the newest one stays."
                + " Take it up again: pgkeep instance resume \(name)"
        case .deleted:
            let until = instance.trash.map { " until \(Wording.time($0.purgeAt))" } ?? ""
            return "Instance \(name) is in the trash\(until)\(lock)."
                + " Take it out: pgkeep instance undelete \(name)"
        }
    }

    /// Deletes an instance, as a job.
    static func delete(
        _ context: JobContext,
        _ name: InstanceName,
        _ options: DeleteInstance.Options
    ) throws -> LifecycleAnswer {
        try Job.run(context, kind: .delete, instance: name, trigger: "manual") { job in
            let outcome = try DeleteInstance(
                context: job.context,
                name: name,
                options: options
            ).run()
            for warning in outcome.warnings { job.warn(warning) }
            return LifecycleAnswer(
                outcome.instance,
                finalPoint: outcome.finalPoint,
                warnings: outcome.warnings
            )
        }
    }

    static func missingName(_ name: InstanceName) -> PgkeepError {
        PgkeepError(
            .refused,
            "deleting \(name) needs its name once more",
            hint: "give --confirm-name \(name) if it is the one you mean"
        )
    }
}
