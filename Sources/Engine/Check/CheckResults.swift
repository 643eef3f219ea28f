import Domain
import Logging
import Platform
import Storage
import Vaulting

/// Keeps what a check found in the vault, as small records.
///
/// A vault that cannot be written to can still be checked: what cannot be kept is only logged.
struct CheckResults {
    private let context: JobContext
    private let instance: InstanceRecord?
    private let found: VaultCheck.Report

    /// What was found in one instance's part of the vault, or in all of it.
    init(_ context: JobContext, _ instance: InstanceRecord?, _ found: VaultCheck.Report) {
        self.context = context
        self.instance = instance
        self.found = found
    }

    /// Keeps the results, and adds to `report` the packs known to be damaged. One that was not
    /// looked at this time is damage all the same.
    func keep(in report: inout CheckReport, _ names: [SystemIdentifier: String]) throws {
        var damaged: [SystemIdentifier: Set<PackID>] = [:]
        for damage in found.damage {
            if case .pack(let system, let id) = ObjectPlace(damage.object) {
                damaged[system, default: []].insert(id)
            }
        }
        let systems = instance.map { [$0.systemIdentifier] } ?? Array(names.keys)
        for system in Set(systems).union(found.scrubs.keys).union(damaged.keys).sorted() {
            let record = try DamageRecord.read(context.vault, system)
            guard damaged[system] != nil || found.scrubs[system] != nil || record != nil else {
                continue
            }
            let suspects = Set(record?.packs.map(\.id) ?? []).union(damaged[system] ?? [])
            let users = try users(of: suspects, system)
            attempt {
                try DamageRecord.keep(
                    context.vault,
                    system,
                    damaged: damaged[system] ?? [],
                    sound: found.soundPacks[system] ?? [],
                    clock: context.clock,
                    isKnown: { users[$0] != nil }
                )
            }
            if let scrub = found.scrubs[system] { attempt { try keep(scrub, system) } }
            for pack in try DamageRecord.read(context.vault, system)?.packs ?? [] {
                let name = VaultNames.pack(system, pack.id)
                let instance = names[system] ?? system.hex
                report.damagedPacks.append(
                    CheckReport.DamagedPack(
                        instance: instance,
                        object: name.text,
                        foundAt: pack.foundAt
                    )
                )
                guard !report.damage.contains(where: { $0.object == name.text }) else { continue }
                report.damage.append(
                    CheckReport.Damage(
                        object: name.text,
                        reason: "it was found damaged at \(pack.foundAt)",
                        instance: instance,
                        points: users[pack.id] ?? []
                    )
                )
            }
        }
    }

    /// The points that need these packs. A root that cannot be read names none.
    private func users(
        of packs: Set<PackID>,
        _ system: SystemIdentifier
    ) throws -> [PackID: [PointID]] {
        var users: [PackID: [PointID]] = [:]
        guard !packs.isEmpty else { return users }
        for listed in try PointStore.list(context.vault, system) {
            do {
                let point = try PointReader(context.vault, system, listed.id)
                for pack in packs where point.packs[pack] != nil {
                    users[pack, default: []].append(listed.id)
                }
            } catch let error as PgkeepError where error.isDamage || error.code == .notFound {
                continue
            }
        }
        return users
    }

    private func keep(_ scrub: ScrubRecord, _ system: SystemIdentifier) throws {
        let records = context.vault.scrubs(clock: context.clock)
        guard let old = try records.read(system.hex) else {
            try records.create(system.hex, scrub)
            return
        }
        if old.value != scrub { try records.update(old, to: scrub) }
    }

    private func attempt(_ body: () throws -> Void) {
        do {
            try body()
        } catch {
            context.log.warning("result not kept", metadata: ["reason": "\(error)"])
        }
    }
}
