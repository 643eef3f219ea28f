import Domain
import Glibc
import Platform
import Storage
import TestSupport

/// The store all hosts share, as one host's main thread sees it: every call waits for the schedule.
///
/// Other threads of a host (those of a backup's pipeline) call straight through while it lives:
/// what they do is the host's own, and nobody's decisions hang on it.
///
/// A host may have some objects apart, which it alone sees. To everybody it looks then as if the
/// code did without what those objects are for: that is how a test shows that they are needed.
final class HostStore: ObjectStore {
    private let base: MemoryStore
    private let schedule: Schedule
    private let host: Int
    private let apart: String?
    private let own = MemoryStore()
    private let thread = Condition<pthread_t?>(nil)

    /// - Parameter apart: what the names of objects contain that this host has for itself.
    init(_ base: MemoryStore, _ schedule: Schedule, host: Int, apart: String? = nil) {
        self.base = base
        self.schedule = schedule
        self.host = host
        self.apart = apart
    }

    /// From here on this thread's calls are the host's.
    func enter() { thread.change { $0 = pthread_self() } }

    private func store(_ name: String) -> MemoryStore {
        apart.map { name.contains($0) } ?? false ? own : base
    }

    private func pass(_ call: @autoclosure () -> String) throws {
        guard thread.read({ $0 }) == pthread_self() else {
            if schedule.isCrashed(host) { throw Schedule.Crashed() }
            return
        }
        try schedule.pass(host, call())
    }

    private func change<Result>(
        _ call: @autoclosure () -> String,
        _ body: () throws -> Result
    ) throws -> Result {
        try pass(call())
        let result = try body()
        if thread.read({ $0 }) == pthread_self() { try schedule.answer(host, call()) }
        return result
    }

    var location: String { base.location }

    func put(_ name: ObjectName, _ bytes: [UInt8]) throws {
        try change("put \(name)") { try store(name.text).put(name, bytes) }
    }

    func putIfAbsent(_ name: ObjectName, _ bytes: [UInt8]) throws -> Bool {
        try change("putIfAbsent \(name)") { try store(name.text).putIfAbsent(name, bytes) }
    }

    func get(_ name: ObjectName) throws -> [UInt8] {
        try pass("get \(name)")
        return try store(name.text).get(name)
    }

    func get(
        _ name: ObjectName,
        range: Range<UInt64>,
        into output: UnsafeMutableRawBufferPointer
    ) throws {
        try pass("get \(name) \(range)")
        try store(name.text).get(name, range: range, into: output)
    }

    func head(_ name: ObjectName) throws -> ObjectInfo? {
        try pass("head \(name)")
        return try store(name.text).head(name)
    }

    func list(prefix: String) throws -> [ObjectInfo] {
        try pass("list \(prefix)")
        return try store(prefix).list(prefix: prefix)
    }

    func delete(_ name: ObjectName) throws {
        try change("delete \(name)") { try store(name.text).delete(name) }
    }

    func create(_ name: ObjectName, visible: Bool) throws -> any ObjectWriter {
        if schedule.isCrashed(host) { throw Schedule.Crashed() }
        return try base.create(name, visible: visible)
    }

    func space() throws -> StoreSpace? { try base.space() }
}
