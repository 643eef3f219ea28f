public import Domain
public import Platform
import Storage

/// The sign of life of one session: an object that is put again every few seconds by a thread of
/// its own, until the session ends it.
///
/// Put before anything the session relies on, so that pruning, which lists leases, sees it. Shared
/// by the session's threads. A session killed leaves the object; see `LeaseRecord.isDead`.
public final class Lease: Sendable {
    /// The session.
    public let session: PointID
    /// The instance it works on.
    public let systemIdentifier: SystemIdentifier
    let vault: Vault
    let clock: any Clock

    private struct State {
        var record: LeaseRecord
        var isEnded = false
        var failure: (any Error)?
        var checks: [@Sendable () -> Void] = []
        var thread: Thread<Void>?
    }
    private let state: Condition<State>
    // Held while the object is put, so that an older sign never replaces a newer one.
    private let writing = Condition(())

    /// Seconds between two signs of life.
    public static let beatSeconds: Double = 10

    private init(
        _ vault: Vault,
        _ system: SystemIdentifier,
        _ record: LeaseRecord,
        clock: any Clock
    ) {
        self.vault = vault
        systemIdentifier = system
        session = record.session
        self.clock = clock
        state = Condition(State(record: record))
    }

    /// Puts a session's lease and begins to renew it. Durable on return.
    ///
    /// - Parameters:
    ///   - session: the session's id; a new one when nil.
    ///   - parent: the point it reads from; pruning keeps it.
    ///   - walFloor: WAL from here on is kept by pruning.
    ///   - beatSeconds: seconds between signs; nil leaves the signs to calls of `beat`.
    public static func begin(
        _ vault: Vault,
        _ system: SystemIdentifier,
        kind: LeaseRecord.Kind,
        session: PointID? = nil,
        parent: PointID? = nil,
        walFloor: LSN? = nil,
        clock: any Clock = SystemClock(),
        beatSeconds: Double? = Lease.beatSeconds
    ) throws -> Lease {
        let now = clock.now
        let record = LeaseRecord(
            session: session
                ?? PointID(time: now, random: (Vault.randomWord(), Vault.randomWord())),
            kind: kind,
            parent: parent,
            walFloor: walFloor,
            startedAt: now
        )
        let lease = Lease(vault, system, record, clock: clock)
        try lease.write(record)
        if let beatSeconds { lease.renew(every: beatSeconds) }
        return lease
    }

    /// What was last said, or will be with the next sign.
    public var record: LeaseRecord { state.read { $0.record } }

    /// Why the last sign of life could not be given; nil when it could.
    public var failure: (any Error)? { state.read { $0.failure } }

    /// Tells something about the session with the next sign: any value that makes a JSON document.
    public func setStatus(_ status: some Encodable) throws {
        let text = String(decoding: try ControlJSON.encode(status), as: UTF8.self)
        state.change { $0.record.status = text }
    }

    /// Moves the floor below which the session needs no WAL, with the next sign.
    public func setWALFloor(_ floor: LSN?) { state.change { $0.record.walFloor = floor } }

    /// Names the draft of its root that the next session may build on, with the next sign.
    func setDraft(_ number: UInt32) { state.change { $0.record.draft = number } }

    /// Runs `check` after every sign of life, on the thread that gives it.
    public func afterEachBeat(_ check: @escaping @Sendable () -> Void) {
        state.change { $0.checks.append(check) }
    }

    /// Gives a sign of life now. Durable on return; does nothing once ended.
    public func beat() throws {
        let checks = try writing.change { _ -> [@Sendable () -> Void] in
            let (record, checks): (LeaseRecord?, [@Sendable () -> Void]) = state.change {
                guard !$0.isEnded else { return (nil, []) }
                $0.record.beats += 1
                $0.record.beatAt = clock.now
                return ($0.record, $0.checks)
            }
            guard let record else { return [] }
            do {
                try write(record)
                state.change { $0.failure = nil }
            } catch {
                state.change { $0.failure = error }
                throw error
            }
            return checks
        }
        for check in checks { check() }
    }

    /// Ends the session: stops the signs and removes the object. Further calls do nothing.
    public func end() throws {
        guard let last = stop() else { return }
        try? last.thread?.join()
        try vault.store.delete(VaultNames.lease(systemIdentifier, session))
    }

    /// Stops the signs and leaves the object as a killed process would.
    package func abandon() { try? stop()?.thread?.join() }

    private func stop() -> State? {
        state.change { state -> State? in
            guard !state.isEnded else { return nil }
            state.isEnded = true
            return state
        }
    }

    private func renew(every seconds: Double) {
        let thread = Thread<Void>("lease") { [self] in
            while state.wait(seconds: seconds, until: { $0.isEnded ? true : nil }) == nil {
                // A store out of reach is met again at the next sign; silence is what counts.
                try? beat()
            }
        }
        state.change { $0.thread = thread }
    }

    private func write(_ record: LeaseRecord) throws {
        let name = VaultNames.lease(systemIdentifier, session)
        let bytes = try Sealed.encode(
            vault,
            name,
            kind: .lease,
            system: systemIdentifier,
            frames: [(kind: .info, bytes: try ControlJSON.encode(record))]
        )
        try vault.store.put(name, bytes)
    }

    /// What the store's clock shows now, as far as the last sign tells; else what one's own does.
    func storeTime() throws -> Timestamp {
        let now = clock.now
        let name = VaultNames.lease(systemIdentifier, session)
        guard let object = try vault.store.head(name) else { return now }
        return object.modified.adding(seconds: Int64(now.seconds(since: record.beatAt)))
    }

    // MARK: Others' leases

    /// A session's lease, or nil when it has none (any more).
    public static func read(
        _ vault: Vault,
        _ system: SystemIdentifier,
        _ session: PointID
    ) throws -> LeaseRecord? {
        let name = VaultNames.lease(system, session)
        // Looked at first: a sign given in between makes it seem older, never younger than it is.
        guard let object = try vault.store.head(name),
            let content = try vault.readInfo(name, kind: .lease, system: system)
        else { return nil }
        var record = try ControlJSON.decode(LeaseRecord.self, content, "the lease \(name)")
        guard record.session == session else {
            throw PgkeepError.damaged(name, "it is the lease of another session")
        }
        record.putAt = object.modified
        return record
    }

    /// The leases of an instance, oldest first. Dead ones are among them.
    public static func list(_ vault: Vault, _ system: SystemIdentifier) throws -> [LeaseRecord] {
        let prefix = VaultNames.leasePrefix(system)
        return try vault.store.list(prefix: prefix).compactMap { information in
            guard let session = PointID(information.name.text.dropFirst(prefix.utf8.count)) else {
                throw PgkeepError.damaged(information.name, "it is not named like a lease")
            }
            return try read(vault, system, session)
        }
    }

    /// As `list`, without those that cannot be read: for whoever only wants to know what sessions
    /// tell of themselves, and must not fail over a leftover nobody needs.
    public static func listReadable(
        _ vault: Vault,
        _ system: SystemIdentifier
    ) throws -> [LeaseRecord] {
        let prefix = VaultNames.leasePrefix(system)
        return try vault.store.list(prefix: prefix).compactMap { information in
            do {
                return try PointID(information.name.text.dropFirst(prefix.utf8.count))
                    .flatMap { try read(vault, system, $0) }
            } catch let error as PgkeepError where error.isDamage {
                return nil
            }
        }
    }
}

extension Vault {
    /// The JSON of a small control object, or nil when it is not there.
    func readInfo(
        _ name: ObjectName,
        kind: ObjectKind,
        system: SystemIdentifier?
    ) throws -> [UInt8]? {
        let bytes: [UInt8]
        do {
            bytes = try store.get(name)
        } catch let error as PgkeepError where error.code == .notFound {
            return nil
        }
        let frames = try Sealed.decode(self, name, kinds: [kind], system: system, bytes: bytes)
            .frames
        guard frames.count == 1, frames[0].kind == .info else {
            throw PgkeepError.damaged(name, "it is no single document")
        }
        return frames[0].bytes
    }
}
