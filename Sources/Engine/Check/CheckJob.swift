import Domain
import Logging
import Platform
import Storage
import Vaulting

/// Looks for damage in a vault: in its objects, and in what they should add up to.
///
/// Every object can be sound and the vault still be short of one; what is missing shows in what the
/// rest says of it: roots name packs, segments follow each other, streams told how far they were.
///
/// What was looked at when, and which packs are damaged, is kept in the vault: the next check can
/// go on where this one ended, and the next backup stores pages of damaged packs anew.
public struct CheckJob {
    private let context: JobContext
    private let options: CheckOptions

    /// A check as `options` say.
    public init(context: JobContext, options: CheckOptions) {
        self.context = context
        self.options = options
    }

    /// Checks. Throws only when looking is not possible; damage is in the report.
    ///
    /// What is there when it begins stays until it ends, also when it is condemned meanwhile.
    public func run() throws -> CheckReport {
        let leases = try beginLeases()
        defer { for lease in leases { try? lease.end() } }
        context.meter.begin("check", totalBytes: try expectedBytes())
        let meter = context.meter
        var done: UInt64 = 0
        let check = VaultCheck(
            context.vault,
            level: options.level,
            only: options.instance?.systemIdentifier,
            plan: try plan(),
            token: context.token,
            judge: PageJudgement.judge
        ) { bytes in
            meter.add(bytes - done)
            done = bytes
        }
        let found = try check.run()
        let records = try context.vault.instances(clock: context.clock).listReadable()
            .compactMap(\.value)
        let names = Dictionary(
            records.map { ($0.systemIdentifier, $0.name.description) }
        ) { first, _ in first }
        var report = CheckReport(
            level: "\(options.level)",
            objects: found.objects,
            bytes: found.bytes,
            damage: found.damage.map {
                CheckReport.Damage(
                    object: $0.object.text,
                    reason: $0.reason,
                    instance: $0.system.map { names[$0] ?? $0.hex },
                    points: $0.points
                )
            }
        )
        report.leftOut = found.leftOut
        report.due = found.due
        let known = Set(report.damage.map(\.object))
        for record in records where options.instance.map({ $0.name == record.name }) ?? true {
            let check = try WALCheck(context, record)
            report.damage = report.damage.map(check.completed)
            let damage = try confirmed(check.damage(), record)
            report.damage += damage.filter { !known.contains($0.object) }
            report.gaps += check.gaps
        }
        if options.instance == nil { report.damage += try orphans(names) }
        try CheckResults(context, options.instance, found).keep(in: &report, names)
        report.damage.sort { $0.object < $1.object }
        return report
    }

    /// A stream or pruning at work can make WAL look missing for a moment; what is missing is so
    /// at a second look, too.
    private func confirmed(
        _ damage: [CheckReport.Damage],
        _ instance: InstanceRecord
    ) throws -> [CheckReport.Damage] {
        guard !damage.isEmpty else { return [] }
        let again = try WALCheck(context, instance).damage()
        return damage.filter { first in
            again.contains { $0.object == first.object && $0.fromLSN == first.fromLSN }
        }
    }

    private func plan() throws -> ScrubPlan {
        var plan = ScrubPlan()
        plan.clock = context.clock
        plan.since = options.since
        plan.budgetBytes = options.budgetBytes
        plan.budgetSeconds = options.budgetSeconds
        guard options.level > .list else { return plan }
        for record in try context.vault.scrubs(clock: context.clock).listReadable() {
            guard let system = SystemIdentifier(hex: record.id) else { continue }
            plan.history[system] = record.value
        }
        return plan
    }

    /// One lease for each instance looked at; none where the vault takes none, as a full disk or a
    /// vault that may only be read: looking must be possible there too.
    private func beginLeases() throws -> [Lease] {
        let systems =
            try options.instance.map { [$0.systemIdentifier] }
            ?? PointStore.systems(context.vault)
        return systems.compactMap { system in
            do {
                return try Lease.begin(context.vault, system, kind: .check, clock: context.clock)
            } catch {
                context.log.warning(
                    "the check goes on without a lease; pruning may remove what it looks at",
                    metadata: ["reason": "\(error)"]
                )
                return nil
            }
        }
    }

    /// Points of a cluster no record speaks of: nobody could name them any more.
    private func orphans(_ names: [SystemIdentifier: String]) throws -> [CheckReport.Damage] {
        try PointStore.systems(context.vault).filter { names[$0] == nil }.compactMap { system in
            let points = try PointStore.list(context.vault, system).map(\.id)
            guard !points.isEmpty else { return nil }
            return CheckReport.Damage(
                object: "\(VaultNames.recordsPrefix)instance/",
                reason: "the record of the instance with system identifier \(system) is missing",
                instance: nil,
                points: points
            )
        }
    }

    private func expectedBytes() throws -> UInt64? {
        guard options.level == .seal, options.since == nil else { return nil }
        let usage = try VaultUsage(context.vault)
        guard let instance = options.instance else { return usage.totalBytes }
        return usage.instances[instance.systemIdentifier]?.totalBytes
    }
}
