import Domain
import Platform
import Vaulting

/// Examines one instance: its servers, its stream, and the programs to restore it with.
struct SourceExamination {
    private let context: JobContext
    private let instance: InstanceRecord
    private let programs: (Int) throws -> String

    init(
        _ context: JobContext,
        _ instance: InstanceRecord,
        programs: @escaping (Int) throws -> String
    ) {
        self.context = context
        self.instance = instance
        self.programs = programs
    }

    func run() -> [DoctorReport.Finding] {
        var exam = Examination(of: instance.name.description)
        if instance.state == .active {
            exam.add(servers())
            exam.attempt("stream", stream)
        } else {
            let what = "protection is \(instance.state.rawValue): its server is not examined"
            let verb = instance.state == .deleted ? "undelete" : "resume"
            exam.add(.note, "state", what, fix: "pgkeep instance \(verb) \(instance.name)")
        }
        let major = instance.serverVersion.major
        exam.attempt("points", points)
        do {
            exam.add(.ok, "programs", "PostgreSQL \(major) to restore with: \(try programs(major))")
        } catch {
            // A host that only takes backups needs none.
            exam.add(
                .warning,
                "programs",
                "no programs of PostgreSQL \(major) on this host: it cannot run a restored copy",
                fix: "install postgresql-\(major), or name its bin directory with --pg-bin"
            )
        }
        return exam.findings
    }

    /// All its servers. One that is sound is enough to be protected by, so what is in the way at
    /// another is a warning then; a server that is not ours is wrong in any case.
    private func servers() -> [DoctorReport.Finding] {
        let addresses = instance.addresses
        let found = addresses.map { address in
            ServerExamination(context, instance, at: address, isOneOfMany: addresses.count > 1)
                .run()
        }
        let isOneSound = found.contains { !$0.contains { $0.outcome == .failure } }
        return found.joined().map { finding in
            var finding = finding
            if isOneSound, finding.outcome == .failure, finding.check != "identity" {
                finding.outcome = .warning
            }
            return finding
        }
    }

    // MARK: The vault's side

    private func stream(_ exam: inout Examination) throws {
        let status = try InstanceStatus.read(
            context,
            instance,
            objects: VaultUsage.Instance(),
            quota: .standard
        )
        if status.streaming {
            exam.add(.ok, "stream", "its WAL is being streamed")
        }
        for reason in status.reasons {
            exam.add(
                reason.state == .notProtected ? .failure : .warning,
                "protection",
                reason.what,
                fix: reason.next
            )
        }
    }

    private func points(_ exam: inout Examination) throws {
        let found = try Points.list(context, instance)
        for damaged in found.damaged {
            exam.add(
                .failure,
                "points",
                "recovery point \(damaged.id) is damaged: \(damaged.error.message)",
                fix: "take a backup; pgkeep vault check says what else is hit"
            )
        }
        if let last = found.points.last {
            exam.add(
                .ok,
                "points",
                "recovery points: \(found.points.count), the last of"
                    + " \(last.finishedAt)"
            )
        }
    }
}
