import Domain
import Platform
import Storage
import TestSupport
import Vaulting

/// One actor's view of a store all actors share: every call others could notice waits for the
/// schedule, and after every change the promise is looked at.
final class ScheduledStore: ObjectStore {
    let base: MemoryStore
    private let schedule: Schedule
    private let actor: Int
    private let mutant: ProtocolMutant?
    /// Looked at after every change of what roots and packs there are.
    private let verify: @Sendable () -> Void

    init(
        _ base: MemoryStore,
        _ schedule: Schedule,
        actor: Int,
        mutant: ProtocolMutant?,
        verify: @escaping @Sendable () -> Void
    ) {
        self.base = base
        self.schedule = schedule
        self.actor = actor
        self.mutant = mutant
        self.verify = verify
    }

    var location: String { base.location }

    func put(_ name: ObjectName, _ bytes: [UInt8]) throws {
        try change("put \(name)") {
            if mutant?.skips(put: name) != true { try base.put(name, bytes) }
        }
    }

    func putIfAbsent(_ name: ObjectName, _ bytes: [UInt8]) throws -> Bool {
        try change("putIfAbsent \(name)") {
            try mutant?.putIfAbsent(name, bytes, in: base) ?? base.putIfAbsent(name, bytes)
        }
    }

    func get(_ name: ObjectName) throws -> [UInt8] {
        try schedule.pass(actor, "get \(name)")
        return try mutant?.get(name) ?? base.get(name)
    }

    func get(
        _ name: ObjectName,
        range: Range<UInt64>,
        into output: UnsafeMutableRawBufferPointer
    ) throws {
        try schedule.pass(actor, "get \(name) \(range)")
        if let bytes = try mutant?.get(name) {
            output.copyBytes(from: bytes[Int(range.lowerBound)..<Int(range.upperBound)])
        } else {
            try base.get(name, range: range, into: output)
        }
    }

    func head(_ name: ObjectName) throws -> ObjectInfo? {
        try schedule.pass(actor, "head \(name)")
        if let answer = try mutant?.head(name) { return answer }
        return try base.head(name)
    }

    func list(prefix: String) throws -> [ObjectInfo] {
        try schedule.pass(actor, "list \(prefix)")
        if mutant?.begin(list: prefix, in: base) == true {
            try schedule.pass(actor, "list \(prefix), really")
        }
        return try mutant?.list(prefix) ?? base.list(prefix: prefix)
    }

    func delete(_ name: ObjectName) throws {
        try change("delete \(name)") { try base.delete(name) }
    }

    func create(_ name: ObjectName, visible: Bool) throws -> any ObjectWriter {
        precondition(!visible, "nothing here writes journals")
        return ScheduledWriter(try base.create(name, visible: false), self)
    }

    func space() throws -> StoreSpace? { try base.space() }

    fileprivate func change<Result>(_ call: String, _ body: () throws -> Result) throws -> Result {
        try schedule.pass(actor, call)
        let result = try body()
        verify()
        try schedule.answer(actor, call)
        return result
    }
}

/// A hidden object: nobody notices before it gets its name.
private final class ScheduledWriter: ObjectWriter {
    private let base: any ObjectWriter
    private let store: ScheduledStore

    init(_ base: any ObjectWriter, _ store: ScheduledStore) {
        self.base = base
        self.store = store
    }

    var length: UInt64 { base.length }
    func append(_ bytes: UnsafeRawBufferPointer) throws { try base.append(bytes) }
    func sync() throws { try base.sync() }
    func discard() throws { try base.discard() }
    func publish(as name: ObjectName) throws -> Bool {
        try store.change("publish \(name)") { try base.publish(as: name) }
    }
}
