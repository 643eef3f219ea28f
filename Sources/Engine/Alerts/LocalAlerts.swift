public import Domain
import FoundationEssentials
public import Platform
import Sealing
public import Vaulting

/// What a host tells while the vault or its key is of no use to it: a small board of its own, in a
/// file, for channels that are named where no vault is needed.
///
/// The file remembers what was told, so that a vault that is away for a week is told once.
public struct LocalAlerts {
    private let path: String
    private let clock: any Clock

    private static let bytesMax = 1 << 22

    /// The board of one vault on this host, in `directory`, which is made when needed.
    public init(directory: String, vault place: String, clock: any Clock = SystemClock()) {
        let digest = hexadecimal(SHA256.digest(Array(place.utf8)).prefix(8))
        path = "\(directory)/alerts-\(digest).json"
        self.clock = clock
    }

    /// What this host finds wrong with vault or key: the kind of alert an error is a reason for.
    /// Nil for errors that say nothing about them.
    public static func condition(of error: PgkeepError, isOpen: Bool) -> AlertCondition? {
        let kind: AlertKind
        switch error.code {
        case .cancelled, .busy: return nil
        case .storeUnreachable, .storeFull, .system: kind = .vaultUnreachable
        default: kind = isOpen ? .vaultUnreachable : .keyUnusable
        }
        let line = "\(error)".split(whereSeparator: \.isNewline).joined(separator: " ")
        return AlertCondition(
            kind,
            "\(ProcessIdentity.current().host): \(Redaction.withoutPasswords(line).prefix(400))",
            next: "pgkeep doctor"
        )
    }

    /// True when something is open or on its way here, so that a look is needed also when all is
    /// well with the vault.
    public var isOfInterest: Bool {
        get throws {
            guard try FileSystem.info(path) != nil else { return false }
            let board = read()
            return board.alerts.contains { $0.state != .resolved }
                || board.deliveries.contains { $0.state == .pending }
        }
    }

    /// Looks as `AlertCheck` does, with what this host knows.
    ///
    /// One process of the host does this at a time; the others wait.
    public func run(
        _ conditions: [AlertCondition],
        events: [AlertCondition] = [],
        withdrawn: [String] = [],
        channels: [ChannelRecord],
        token: CancellationToken,
        deliver: AlertCheck.Deliver
    ) throws -> AlertCheck.Report {
        if let parent = FileSystem.parent(of: path) { try FileSystem.makeDirectories(parent) }
        let lock = try File(path + ".lock", .replace(0o600))
        while try !lock.tryLock() {
            if token.sleep(seconds: 0.2) { throw token.error }
        }
        let claimant = "\(ProcessIdentity.current().process)"
        let named = Dictionary(channels.map { ($0.name, $0) }) { $1 }
        var board = read()
        // Whoever had claimed something is gone: the lock is ours.
        board.releaseClaims()
        let now = clock.now
        var changes = withdrawn.flatMap { board.withdraw($0, now: now) }
        changes += board.look(conditions, events: events, now: now)
        board.announce(changes, to: channels.map(\.route), now: now)
        let claimed = board.claim(claimant, channels: Set(named.keys), mutes: [], now: now)
        try write(board)
        var report = AlertCheck.Report(
            changes: changes,
            open: board.alerts.count(where: \.isOpen),
            vaultReachable: false
        )
        let parcels = claimed.compactMap { delivery in
            named[delivery.channel].map { AlertParcel(channel: $0, notice: delivery.notice) }
        }
        if !parcels.isEmpty {
            let outcomes = try deliver(parcels)
            AlertCheck.note(outcomes, of: parcels, by: claimant, in: &board, clock.now)
            board.tidyDeliveries(now: now)
            try write(board)
            report.count(outcomes)
        }
        report.pending = board.deliveries.count { $0.state == .pending }
        return report
    }

    /// A file that cannot be read is as good as none: what it knew is told again.
    private func read() -> AlertBoard {
        guard let bytes = try? FileSystem.readFile(path, limit: Self.bytesMax) else {
            return AlertBoard()
        }
        return (try? JSONDecoder().decode(AlertBoard.self, from: Data(bytes))) ?? AlertBoard()
    }

    private func write(_ board: AlertBoard) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try FileSystem.writeAtomically(path, Array(try encoder.encode(board)))
    }
}
