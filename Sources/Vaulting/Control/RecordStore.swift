public import Domain
public import Platform
import Sealing
import Storage

/// A record as it was read: its value and the revision a change must build on.
public struct StoredRecord<Value: Sendable>: Sendable {
    /// The name within its kind.
    public var id: String
    /// Counted up by every change, from 1.
    public var revision: UInt64
    /// When this revision was written, on the writer's clock.
    public var at: Timestamp
    /// The content; nil for a removed record.
    public var value: Value?
}

/// Versioned JSON records in the vault, `r/<kind>/<id>/<revision>`: the state that hosts share.
///
/// Every change is a new object, put-if-absent under the next revision, so of any number of writers
/// that start from one revision a single one wins and the others get `.busy`; nothing is ever
/// written over. The highest revision is the record. Older ones are removed once newer ones exist,
/// so an attempt that slept long may find its revision free again: every revision carries the
/// stamps of those before it, which tells such a latecomer that it has lost.
public struct RecordStore<Value: Codable & Sendable>: Sendable {
    /// What a revision's object holds.
    private struct Envelope: Codable {
        var kind: String
        var id: String
        var revision: UInt64
        /// Random, of this revision.
        var stamp: String
        /// Stamps of the revisions before this one, newest first.
        var before: [String]
        var at: Timestamp
        /// Absent for a removed record.
        var value: Value?
    }

    private let vault: Vault
    private let kind: String
    private let clock: any Clock

    /// Revisions kept, the current one included.
    private let kept = 3
    /// Stamps carried along; a writer overtaken by more changes than this while it waits for its
    /// own answer is told it has lost, and would make its change twice.
    private let stampsMax = 100
    private static var attemptsMax: Int { 64 }

    /// The records of one kind; the kind and ids are words of `a-z 0-9 - _`.
    public init(_ vault: Vault, kind: String, clock: any Clock = SystemClock()) {
        precondition(isRecordWord(kind))
        self.vault = vault
        self.kind = kind
        self.clock = clock
    }

    // MARK: Reading

    /// The current revision, or nil when there never was such a record. A removed record has a
    /// revision and no value.
    public func read(_ id: String) throws -> StoredRecord<Value>? {
        try latest(id).map(stored)
    }

    /// All records of this kind that are not removed, by id.
    public func list() throws -> [StoredRecord<Value>] {
        try ids().compactMap(read).filter { $0.value != nil }
    }

    /// As `list`, without those that cannot be read.
    ///
    /// - Parameters:
    ///   - isWanted: whether a record of that id is to be read at all.
    ///   - unreadable: called with the id of each that cannot be read, and why.
    public func listReadable(
        _ isWanted: (String) -> Bool = { _ in true },
        unreadable: (String, PgkeepError) -> Void = { _, _ in }
    ) throws -> [StoredRecord<Value>] {
        try ids().filter(isWanted).compactMap { id in
            do {
                return try read(id)
            } catch let error as PgkeepError where error.isDamage {
                unreadable(id, error)
                return nil
            }
        }.filter { $0.value != nil }
    }

    /// The ids of all records there are or were, in order.
    public func ids() throws -> [String] {
        let prefix = "\(VaultNames.recordsPrefix)\(kind)/"
        var ids: [String] = []
        for information in try vault.store.list(prefix: prefix) {
            let parts = information.name.text.dropFirst(prefix.utf8.count).split(separator: "/")
            guard parts.count == 2 else {
                throw PgkeepError.damaged(information.name, "it is not named like a record")
            }
            if ids.last != String(parts[0]) { ids.append(String(parts[0])) }
        }
        return ids
    }

    // MARK: Changing

    /// Writes a new record. Throws `.exists` when there is one; a removed one is taken up again.
    @discardableResult
    public func create(_ id: String, _ value: Value) throws -> StoredRecord<Value> {
        let current = try latest(id)
        guard current?.value == nil else { throw exists(id) }
        do {
            return try write(id, value, after: current)
        } catch let error as PgkeepError where error.code == .busy {
            if try latest(id)?.value != nil { throw exists(id) }
            throw error
        }
    }

    /// Writes the next revision of a record read before. Throws `.busy` when somebody else has
    /// changed it since: read it again and decide anew.
    @discardableResult
    public func update(
        _ record: StoredRecord<Value>,
        to value: Value?
    ) throws -> StoredRecord<Value> {
        let current = try latest(record.id)
        guard let current, current.revision == record.revision else { throw changed(record.id) }
        return try write(record.id, value, after: current)
    }

    /// Changes a record by `body`, reading it anew and running `body` again whenever somebody else
    /// was faster. Throws `.notFound` when there is none, and what `body` throws.
    @discardableResult
    public func change(
        _ id: String,
        _ body: (inout Value) throws -> Void
    ) throws -> StoredRecord<Value> {
        for _ in 0..<Self.attemptsMax {
            guard let record = try read(id), var value = record.value else {
                throw PgkeepError(
                    .notFound,
                    "there is no \(kind) \"\(id)\"",
                    hint: "look at the list of those there are"
                )
            }
            try body(&value)
            do {
                return try update(record, to: value)
            } catch let error as PgkeepError where error.code == .busy {
                continue
            }
        }
        throw changed(id)
    }

    /// Removes a record: what stays is a revision without value, so that its history is not
    /// forgotten and nobody's late change brings it back.
    public func remove(_ record: StoredRecord<Value>) throws { try update(record, to: nil) }

    /// Takes up a record whose newest revision is damaged, so that it can be changed again: its
    /// newest one that can be read, or else `fallback`, is written as the next. False when nothing
    /// is damaged.
    ///
    /// For records that may lose their last changes. The damaged object stays until later changes
    /// tidy it away. One of a newer format is none. Throws `.busy` when somebody else was faster.
    public func mend(_ id: String, orElse fallback: Value) throws -> Bool {
        do {
            _ = try latest(id)
            return false
        } catch let error as PgkeepError where error.code == .integrity {}
        let names = try vault.store.list(prefix: prefix(id)).map(\.name)
        guard let last = names.last,
            let revision = UInt64(last.text.dropFirst(prefix(id).utf8.count))
        else { return false }
        var found: Envelope?
        for name in names.dropLast().reversed() where found == nil {
            do {
                found = try envelope(id, name)
            } catch let error as PgkeepError where error.isDamage {}
        }
        let base = Envelope(
            kind: kind,
            id: id,
            revision: revision,
            stamp: "damaged",
            before: found.map { [$0.stamp] + $0.before } ?? [],
            at: clock.now,
            value: nil
        )
        _ = try write(id, found.map(\.value) ?? fallback, after: base)
        return true
    }

    private func write(
        _ id: String,
        _ value: Value?,
        after current: Envelope?
    ) throws -> StoredRecord<Value> {
        let before = current.map { [$0.stamp] + $0.before } ?? []
        let next = Envelope(
            kind: kind,
            id: id,
            revision: (current?.revision ?? 0) + 1,
            stamp: hexadecimal(SecureRandom.bytes(8)),
            before: Array(before.prefix(stampsMax)),
            at: clock.now,
            value: value
        )
        let name = self.name(id, next.revision)
        let bytes = try Sealed.encode(
            vault,
            name,
            kind: .record,
            system: nil,
            frames: [(kind: .info, bytes: try ControlJSON.encode(next))]
        )
        guard try vault.store.putIfAbsent(name, bytes) else { throw changed(id) }
        let highest = try latest(id)
        guard let highest, highest.stamp == next.stamp || highest.before.contains(next.stamp) else {
            // The name was free only because it had been tidied away long ago.
            try vault.store.delete(name)
            throw changed(id)
        }
        removeOlder(id, than: next.revision)
        return stored(next)
    }

    private func removeOlder(_ id: String, than revision: UInt64) {
        guard revision > UInt64(kept) else { return }
        let limit = name(id, revision - UInt64(kept))
        // Only tidying: what stays is removed after the next change.
        guard let all = try? vault.store.list(prefix: prefix(id)) else { return }
        for old in all where old.name <= limit { try? vault.store.delete(old.name) }
    }

    // MARK: Objects

    private func latest(_ id: String) throws -> Envelope? {
        precondition(isRecordWord(id), "no record id: \(id)")
        while true {
            guard let last = try vault.store.list(prefix: prefix(id)).last else { return nil }
            // Gone means that newer ones have come meanwhile.
            if let found = try envelope(id, last.name) { return found }
        }
    }

    /// What an object holds; nil when it is gone.
    private func envelope(_ id: String, _ object: ObjectName) throws -> Envelope? {
        guard let content = try vault.readInfo(object, kind: .record, system: nil) else {
            return nil
        }
        let found = try ControlJSON.decode(Envelope.self, content, "the record \(object)")
        guard found.kind == kind, found.id == id, name(id, found.revision) == object else {
            throw PgkeepError.damaged(object, "it is another record")
        }
        return found
    }

    private func prefix(_ id: String) -> String { "\(VaultNames.recordsPrefix)\(kind)/\(id)/" }

    private func name(_ id: String, _ revision: UInt64) -> ObjectName {
        ObjectName(prefix(id) + decimal10(revision))
    }

    private func stored(_ envelope: Envelope) -> StoredRecord<Value> {
        StoredRecord(
            id: envelope.id,
            revision: envelope.revision,
            at: envelope.at,
            value: envelope.value
        )
    }

    private func exists(_ id: String) -> PgkeepError {
        PgkeepError(.exists, "there is a \(kind) \"\(id)\" already", hint: "choose another name")
    }

    private func changed(_ id: String) -> PgkeepError {
        PgkeepError(
            .busy,
            "the \(kind) \"\(id)\" was changed by somebody else at the same moment",
            hint: "run the command again"
        )
    }
}

/// True for 1 to 128 of `a-z 0-9 - _`.
func isRecordWord(_ text: String) -> Bool {
    (1...128).contains(text.utf8.count)
        && text.utf8.allSatisfy {
            (97...122).contains($0) || (48...57).contains($0) || $0 == 45 || $0 == 95
        }
}
