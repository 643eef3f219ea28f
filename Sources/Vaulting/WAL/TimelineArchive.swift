public import Domain
import Storage

/// The timeline history files of an instance: small, write-once, needed by every recovery.
public struct TimelineArchive: Sendable {
    private let vault: Vault
    private let systemIdentifier: SystemIdentifier

    /// The histories of one instance.
    public init(_ vault: Vault, _ systemIdentifier: SystemIdentifier) {
        self.vault = vault
        self.systemIdentifier = systemIdentifier
    }

    /// Stores the history of a timeline, byte by byte as the server sent it. Durable on return.
    ///
    /// True: it is there now. False: the same bytes were there already. Throws `.integrity` when
    /// it contradicts a history that is there (two servers have promoted themselves to the same
    /// timeline, this one or one it descends from), and `.sourceBroken` when the content is no
    /// history of this timeline.
    @discardableResult
    public func store(_ timeline: TimelineID, _ content: [UInt8]) throws -> Bool {
        let text = String(decoding: content, as: UTF8.self)
        guard let history = TimelineHistory(timeline: timeline, content: text),
            !history.forks.isEmpty
        else {
            throw PgkeepError(
                .sourceBroken,
                "the server sent something that is no history of timeline \(timeline)",
                hint: "look at \(TimelineHistory.name(of: timeline)) in the server's pg_wal"
            )
        }
        for known in try histories().values where !known.agrees(with: history) {
            throw contradiction(known.timeline)
        }
        let name = self.name(timeline)
        let bytes = try Sealed.encode(
            vault,
            name,
            kind: .history,
            system: systemIdentifier,
            frames: [(kind: .attachment, bytes: content)]
        )
        if try vault.store.putIfAbsent(name, bytes) { return true }
        guard try self.content(of: timeline) == content else { throw contradiction(timeline) }
        return false
    }

    private func contradiction(_ timeline: TimelineID) -> PgkeepError {
        PgkeepError(
            .integrity,
            "timeline \(timeline) has another history in the vault than on the server",
            hint: "two servers were promoted to the same timeline: stop the wrong one"
        )
    }

    /// The content of a timeline's history file; nil when it is certainly not archived.
    public func content(of timeline: TimelineID) throws -> [UInt8]? {
        let name = self.name(timeline)
        let bytes: [UInt8]
        do {
            bytes = try vault.store.get(name)
        } catch let error as PgkeepError where error.code == .notFound {
            return nil
        }
        let frames = try Sealed.decode(
            vault,
            name,
            kinds: [.history],
            system: systemIdentifier,
            bytes: bytes
        ).frames
        guard frames.count == 1, frames[0].kind == .attachment else {
            throw PgkeepError.damaged(name, "it is no single file")
        }
        return frames[0].bytes
    }

    /// The timelines whose history is archived, ascending. Timeline 1 has none.
    public func timelines() throws -> [TimelineID] {
        let prefix = self.prefix
        return try vault.store.list(prefix: prefix).map { information in
            let file = information.name.text.dropFirst(prefix.utf8.count)
            guard let timeline = TimelineHistory.timeline(ofName: file) else {
                throw PgkeepError.damaged(information.name, "it is not named like a history")
            }
            return timeline
        }
    }

    /// All archived histories, by timeline.
    public func histories() throws -> [TimelineID: TimelineHistory] {
        try histories { throw $0 }
    }

    /// The archived histories that can be read: what is on other timelines stays within reach.
    public func readableHistories() throws -> [TimelineID: TimelineHistory] {
        try histories { _ in }
    }

    private func histories(
        onDamage: (PgkeepError) throws -> Void
    ) throws -> [TimelineID: TimelineHistory] {
        var found: [TimelineID: TimelineHistory] = [:]
        for timeline in try timelines() {
            do {
                guard let content = try content(of: timeline) else { continue }
                let text = String(decoding: content, as: UTF8.self)
                guard let history = TimelineHistory(timeline: timeline, content: text) else {
                    throw PgkeepError.damaged(name(timeline), "it is no history")
                }
                found[timeline] = history
            } catch let error as PgkeepError where error.isDamage {
                try onDamage(error)
            }
        }
        return found
    }

    private var prefix: String { "\(VaultNames.prefix(systemIdentifier))history/" }

    private func name(_ timeline: TimelineID) -> ObjectName {
        ObjectName(prefix + TimelineHistory.name(of: timeline))
    }
}
