import Domain
import Logging
import Platform
import Postgres
import Vaulting

/// The servers of an instance, and the choice of the one to talk to.
///
/// With one address it is simply that. Of several all are asked at once; a server that is another
/// one, a restored copy, or left behind by a promotion is refused, and of the others the newest
/// timeline counts first, then the order asked for, then the order in which they were added.
struct SourceEndpoints {
    /// A server that has answered.
    struct Reached: Sendable {
        /// How it is known to the instance: no password.
        var address: String
        /// These lead to it and to no other host of its address.
        var settings: ConnectionSettings
        /// A replication connection, free for commands.
        var connection: Connection
        /// Who it is.
        var identity: SystemIdentity
        /// What it is.
        var role: SourceOrder.Role
        /// How well that role will do, 0 is best.
        var rank: Int
    }

    private let context: JobContext
    private let instance: InstanceRecord
    private let order: SourceOrder
    private let applicationName: String

    /// The servers of `instance`; those whose role is not in `order` do not count.
    init(
        _ context: JobContext,
        _ instance: InstanceRecord,
        _ order: SourceOrder,
        applicationName: String = "pgkeep"
    ) {
        self.context = context
        self.instance = instance
        self.order = order
        self.applicationName = applicationName
    }

    /// The best server that can be reached. What is wrong with the others is logged.
    ///
    /// - Parameter resting: addresses taken only when no other will do.
    ///
    /// Throws what is wrong with the one server there is; of several, what will pass before what
    /// will not.
    func reach(resting: Set<String> = []) throws -> Reached {
        let addresses = instance.addresses
        guard addresses.count > 1 else { return try ask(addresses[0]) }
        let answers = askAll(addresses)
        try context.token.check()
        var failures: [PgkeepError] = []
        var best: Reached?
        for (address, answer) in zip(addresses, answers) {
            switch answer {
            case .success(let found):
                if let held = best, !isBetter(found, than: held, resting) { continue }
                best = found
            case .failure(let error):
                failures.append(error)
                let level: Logger.Level = error.code == .sourceForeign ? .error : .debug
                context.log.log(
                    level: level,
                    "a server of the instance is not used",
                    metadata: ["address": "\(address)", "reason": "\(error)"]
                )
            }
        }
        if let best { return best }
        throw failures.first { $0.isPassingSourceFailure } ?? failures[0]
    }

    /// Settings that lead to the best server that can be reached, and to no other.
    ///
    /// Where there is no choice, a server that cannot be reached is left to whoever uses them, to
    /// find out what is wrong with it.
    func settings() throws -> ConnectionSettings {
        do {
            let reached = try reach()
            reached.connection.close()
            return reached.settings
        } catch let error as PgkeepError
            where instance.addresses.count == 1 && order == .any && error.code != .cancelled
        {
            return try ConnectionSettings(instance.source)
        }
    }

    /// All servers but the one at `address` that can be reached, whatever their role.
    func others(than address: String) -> [Result<Reached, PgkeepError>] {
        askAll(instance.addresses.filter { $0 != address })
    }

    private func askAll(_ addresses: [String]) -> [Result<Reached, PgkeepError>] {
        let threads = addresses.map { address in
            Thread("source") { () -> Result<Reached, PgkeepError> in
                do {
                    return .success(try ask(address))
                } catch let error as PgkeepError {
                    return .failure(error)
                } catch {
                    return .failure(PgkeepError(.unexpected, "\(error)"))
                }
            }
        }
        return threads.map { thread in
            do {
                return try thread.join()
            } catch {
                return .failure(PgkeepError(.unexpected, "\(error)"))
            }
        }
    }

    private func ask(_ address: String) throws -> Reached {
        let connection = try Connection(
            ConnectionSettings(address),
            kind: .physicalReplication,
            applicationName: applicationName,
            cancellation: context.token
        )
        // A silent server must not keep anybody who wants to leave.
        return try context.token.whileCancellable({ connection.breakOff() }) {
            try judge(address, connection)
        }
    }

    private func judge(_ address: String, _ connection: Connection) throws -> Reached {
        let identity = try connection.identifySystem()
        try SourceCheck.check(context, connection, identity, instance)
        let role: SourceOrder.Role = try connection.isInRecovery() ? .standby : .primary
        guard let rank = order.rank(of: role) else {
            throw PgkeepError(
                .sourceUnreachable,
                "the server at this address is a \(role.rawValue), and only \(order) is asked for",
                hint: "wait until there is one, or change that: pgkeep instance change-source"
                    + " \(instance.name)"
            )
        }
        return Reached(
            address: address,
            settings: try connection.reachedSettings,
            connection: connection,
            identity: identity,
            role: role,
            rank: rank
        )
    }

    private func isBetter(
        _ new: Reached,
        than old: Reached,
        _ resting: Set<String>
    ) -> Bool {
        // A primary of an older timeline was left behind; a standby of one will follow.
        if new.identity.timeline != old.identity.timeline {
            return new.identity.timeline > old.identity.timeline
        }
        let rests = (resting.contains(new.address), resting.contains(old.address))
        if rests.0 != rests.1 { return !rests.0 }
        return new.rank < old.rank
    }
}

extension PgkeepError {
    /// True for what passes by itself: the server is away, restarts, or still holds a connection of
    /// ours.
    var isPassingSourceFailure: Bool {
        [.sourceUnreachable, .sourceBroken, .slotBusy].contains(code)
    }
}
