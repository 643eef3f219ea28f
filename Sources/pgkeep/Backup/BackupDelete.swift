import ArgumentParser
import Domain
import Engine
import Vaulting

/// `backup delete`
struct BackupDelete: Verb {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete one recovery point.",
        discussion: """
            From then on it cannot be restored, and that cannot be undone. Other points keep all \
            they share with it; what it alone holds is freed by the next vault prune. A restore \
            that is reading it runs to its end. The newest point of an instance that can be \
            restored is never deleted, nor is a point that is held. Points the policy made go by \
            themselves in time; --automatic deletes one now.

              pgkeep backup delete main before-upgrade
              pgkeep backup delete main 0197a3c2 --dry-run
            """
    )

    @OptionGroup var instance: NameArgument

    @Argument(help: ArgumentHelp("The point's name, its id or its beginning.", valueName: "point"))
    var point: String

    @Flag(help: "Only say what would be deleted and freed.")
    var dryRun = false

    @Flag(help: "Delete it although nobody asked for it by name or hand.")
    var automatic = false

    @Option(help: ArgumentHelp("Why, kept in the vault.", valueName: "text"))
    var reason = "deleted by the operator"

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> PointDeletion.Report {
        let context = try session.context()
        let record = try Instances.find(context, instance.name)
        // Who only looks leaves no trace.
        guard !dryRun else { return try delete(context, record) }
        return try Job.run(context, kind: .delete, instance: record.name, trigger: "manual") {
            job in
            let report = try delete(job.context, record)
            job.setPoint(report.id)
            return report
        }
    }

    private func delete(
        _ context: JobContext,
        _ record: InstanceRecord
    ) throws -> PointDeletion.Report {
        try PointDeletion(
            context: context,
            instance: record,
            point: point,
            reason: reason,
            isAutomatic: automatic,
            isDry: dryRun
        ).run()
    }

    func lines(_ answer: PointDeletion.Report) -> [String] {
        let freed =
            answer.freedBytes.map {
                "vault prune \(dryRun ? "would free" : "frees") "
                    + Wording.bytes($0)
            }
            ?? "damage keeps vault prune from freeing anything: see vault check"
        return ["Recovery point \(answer.id) \(dryRun ? "would be" : "is") deleted; \(freed)."]
    }
}
