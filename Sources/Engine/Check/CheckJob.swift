import Domain
import Platform
import Storage
public import Vaulting

/// Looks for damage in a vault: in its objects, and in what they should add up to.
///
/// Every object can be sound and the vault still be short of one; what is missing shows in what the
/// rest says of it: roots name packs, segments follow each other, streams told how far they were.
public struct CheckJob {
    private let context: JobContext
    private let level: VaultCheck.Level
    private let instance: InstanceRecord?

    /// A check of the whole vault, or of one instance's part of it.
    public init(context: JobContext, level: VaultCheck.Level, instance: InstanceRecord? = nil) {
        self.context = context
        self.level = level
        self.instance = instance
    }

    /// Checks. Throws only when looking is not possible; damage is in the report.
    public func run() throws -> CheckReport {
        context.meter.begin("check", totalBytes: try expectedBytes())
        let meter = context.meter
        var done: UInt64 = 0
        let check = VaultCheck(
            context.vault,
            level: level,
            only: instance?.systemIdentifier,
            token: context.token
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
        var damage = found.damage.map {
            CheckReport.Damage(
                object: $0.object.text,
                reason: $0.reason,
                instance: $0.system.map { names[$0] ?? $0.hex },
                points: $0.points
            )
        }
        let known = Set(damage.map(\.object))
        for record in records where instance == nil || instance?.name == record.name {
            let check = try WALCheck(context, record)
            damage = damage.map(check.completed)
            damage += check.damage().filter { !known.contains($0.object) }
        }
        if instance == nil { damage += try orphans(names) }
        return CheckReport(
            level: "\(level)",
            objects: found.objects,
            bytes: found.bytes,
            damage: damage.sorted { $0.object < $1.object }
        )
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
        guard level == .seal else { return nil }
        let usage = try VaultUsage(context.vault)
        guard let instance else { return usage.totalBytes }
        return usage.instances[instance.systemIdentifier]?.totalBytes
    }
}
