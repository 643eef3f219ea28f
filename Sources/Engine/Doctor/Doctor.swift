import Domain
import Platform
import Storage
public import Vaulting

/// Examines everything protection depends on, before it is needed: the vault and its keys, each
/// source, and what a restore needs on this host.
///
/// Changes nothing but one small record, written to see that the vault can be written.
public struct Doctor {
    private let context: JobContext
    private let programs: (Int) throws -> String
    private let version: String

    /// A doctor.
    ///
    /// - Parameters:
    ///   - programs: finds the directory of PostgreSQL's programs of a major version on this host.
    ///   - version: pgkeep's own.
    public init(
        _ context: JobContext,
        version: String,
        programs: @escaping (Int) throws -> String
    ) {
        self.context = context
        self.version = version
        self.programs = programs
    }

    /// Examines the vault and the instances named; all that are protected when nil.
    public func examine(_ instance: InstanceRecord?) throws -> DoctorReport {
        var report = DoctorReport()
        report.findings += examineVault()
        let wanted = try instance.map { [$0] } ?? Instances.list(context)
        for record in wanted {
            try context.token.check()
            report.findings += SourceExamination(context, record, programs: programs).run()
        }
        return report
    }

    // MARK: The vault

    private static let skewSeconds: Double = 60
    private static let daysWarned: UInt64 = 14
    private static let daysFailing: UInt64 = 2
    private static let leastFreeShare = 0.01

    private func examineVault() -> [DoctorReport.Finding] {
        var exam = Examination(of: "vault")
        exam.add(.ok, "open", "\(context.vault.store.location) opens; pgkeep \(version)")
        exam.attempt("keys", keys)
        exam.attempt("write", write)
        exam.attempt("space", space)
        return exam.findings
    }

    private func keys(_ exam: inout Examination) throws {
        let slots = try VaultKeys(context.vault, clock: context.clock).list()
        let usable = slots.count { $0.isUsable }
        if usable > 1 {
            exam.add(.ok, "keys", "\(usable) key slots open the vault")
        } else {
            exam.add(
                .warning,
                "keys",
                "a single key opens the vault: when it is lost, so is everything",
                fix: "keep a copy of it elsewhere, or add a second: pgkeep vault key add"
            )
        }
        for slot in slots where slot.kind == nil {
            exam.add(
                .failure,
                "keys",
                "key slot \(slot.number) is damaged",
                fix: "add it anew with pgkeep vault key add, then pgkeep vault key remove"
                    + " \(slot.number)"
            )
        }
    }

    private struct Probe: Codable, Sendable {
        var at: Timestamp
    }

    /// Writes a record and looks at the time the store gives it.
    private func write(_ exam: inout Examination) throws {
        let store = RecordStore<Probe>(context.vault, kind: "doctor", clock: context.clock)
        let before = context.clock.now
        do {
            if let old = try store.read("probe") {
                try store.update(old, to: Probe(at: before))
            } else {
                try store.create("probe", Probe(at: before))
            }
        } catch let error as PgkeepError where [.busy, .exists].contains(error.code) {
            // Another doctor was faster, and so has shown what we wanted to know.
        }
        exam.add(.ok, "write", "the vault can be written")
        let prefix = "\(VaultNames.recordsPrefix)doctor/probe/"
        guard let stored = try context.vault.store.list(prefix: prefix).last?.modified else {
            return
        }
        let skew = abs(stored.seconds(since: before))
        guard skew > Self.skewSeconds else { return }
        exam.add(
            .warning,
            "clock",
            "the storage's clock and this host's differ by \(Int(skew)) s",
            fix: "let both follow the same time service (chrony, systemd-timesyncd)"
        )
    }

    private func space(_ exam: inout Examination) throws {
        let usage = try UsageReport.read(context)
        for instance in usage.instances where instance.cost.isExceeded && instance.sourceBytes > 0 {
            exam.add(
                .warning,
                "quota",
                "\(instance.name) takes \(instance.totalBytes >> 20) MiB, its quota is"
                    + " \(instance.cost.quotaBytes >> 20) MiB",
                fix: "keep less, or raise it: pgkeep vault quota \(instance.name) VALUE"
            )
        }
        guard let space = try context.vault.store.space() else { return }
        let growth = usage.instances.reduce(0) { $0 + $1.growthPerDay }
        let days = growth > 0 ? space.freeBytes / growth : .max
        let share = Double(space.freeBytes) / Double(max(space.totalBytes, 1))
        let left = growth > 0 ? ", enough for \(days) days like the last" : ""
        exam.add(
            days < Self.daysFailing || share < Self.leastFreeShare
                ? .failure : days < Self.daysWarned ? .warning : .ok,
            "space",
            "\(space.freeBytes >> 20) of \(space.totalBytes >> 20) MiB are free\(left)",
            fix: days < Self.daysWarned || share < Self.leastFreeShare
                ? "give the vault more space, or keep less: pgkeep vault forecast, vault prune" : ""
        )
    }
}
