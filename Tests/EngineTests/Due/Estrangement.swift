import Domain
import FoundationEssentials
import Platform
import Storage
import Vaulting

/// Makes what hosts left behind look as it does from another machine, which cannot ask for their
/// processes: silence alone tells. Each sign of life is as old as before when no time has passed.
enum Estrangement {
    private static let elsewhere = ProcessIdentity(
        host: "elsewhere",
        boot: "another",
        namespace: "another",
        process: 1,
        ticks: 1
    )

    static func run(_ vault: Vault, _ system: SystemIdentifier) throws {
        for var record in try Lease.list(vault, system) {
            record.holder = elsewhere
            let name = VaultNames.lease(system, record.session)
            let bytes = try Sealed.encode(
                vault,
                name,
                kind: .lease,
                system: system,
                frames: [(.info, Array(try JSONEncoder().encode(record)))]
            )
            try vault.store.put(name, bytes)
        }
        for var record in try JobStore(vault).list() where record.state == .running {
            record.holder = elsewhere
            try JobStore(vault).update(record)
        }
    }
}
