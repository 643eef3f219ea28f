import Domain
import Engine
import Platform
import Storage
import Vaulting

/// A look at alerts from this host: through the vault, or else with what the config file names.
struct AlertRound {
    private let session: Session

    init(_ session: Session) { self.session = session }

    /// Looks, and tells of `events` and `withdrawn` that only the caller knows of.
    func run(
        events: [AlertCondition] = [],
        withdrawn: [String] = []
    ) throws -> AlertCheck.Report {
        let place = try session.settings.requireVault()
        var isOpen = false
        do {
            let store = try session.openStore()
            _ = try Vault.identity(of: store)
            let context = try session.context()
            isOpen = true
            let courier = courier(context.vault, place: place)
            var report = try AlertCheck(context) { try deliver($0, by: courier) }
                .run(events: events, withdrawn: withdrawn)
            if let more = try local(place, [], [], withdrawn, isWanted: false) {
                report.changes += more.changes
                report.delivered += more.delivered
                report.failed += more.failed
                report.pending += more.pending
            }
            return report
        } catch let error as PgkeepError {
            // A store that is not there is the vault's fault, whatever the key's.
            let isVault = isOpen || !canIdentify()
            guard let condition = LocalAlerts.condition(of: error, isOpen: isVault),
                let report = try local(place, [condition], events, withdrawn, isWanted: true)
            else { throw error }
            return report
        }
    }

    private func canIdentify() -> Bool {
        (try? session.openStore()).map { (try? Vault.identity(of: $0)) != nil } ?? false
    }

    /// What this host knows; nil when it has no channel that needs no vault, or nothing to say.
    private func local(
        _ place: String,
        _ conditions: [AlertCondition],
        _ events: [AlertCondition],
        _ withdrawn: [String],
        isWanted: Bool
    ) throws -> AlertCheck.Report? {
        guard let directory = Self.stateDirectory else { return nil }
        let alerts = LocalAlerts(directory: directory, vault: place, clock: session.clock)
        guard try isWanted || alerts.isOfInterest else { return nil }
        let channels = try ConfiguredChannels.read(session.settings.configurationFile())
        guard !channels.isEmpty else { return nil }
        let courier = courier(nil, place: place)
        return try alerts.run(
            conditions,
            events: events,
            withdrawn: withdrawn,
            channels: channels,
            token: session.token
        ) { try deliver($0, by: courier) }
    }

    private func courier(_ vault: Vault?, place: String) -> Courier {
        Courier(
            vault,
            place: place,
            sendmail: Environment.value("PGKEEP_SENDMAIL"),
            clock: session.clock
        )
    }

    private func deliver(
        _ parcels: [AlertParcel],
        by courier: Courier
    ) throws -> [AlertBoard.Outcome] {
        try waiting { await courier.deliver(parcels) }
    }

    /// Where this host keeps what no vault can: what systemd says, else the operator's own place.
    private static var stateDirectory: String? {
        for variable in ["STATE_DIRECTORY", "XDG_STATE_HOME"] {
            guard let base = Environment.value(variable), base.hasPrefix("/") else { continue }
            return variable == "STATE_DIRECTORY" ? base : base + "/pgkeep"
        }
        return Environment.value("HOME").map { $0 + "/.local/state/pgkeep" }
    }
}
