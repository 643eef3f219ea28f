import Domain
public import Platform
public import Storage

/// A store in memory that keeps the contract of `ObjectStore`, and fails when told to.
///
/// `faults` is asked before every operation, those of writers included, in the order they happen.
/// A plan may use the store itself, which lets "another process" act between two operations.
/// `crash` is the power cut: what was not durable is gone, and writers from before it are dead.
public final class MemoryStore: ObjectStore {
    /// What an operation is.
    public enum Operation: String, Sendable, CaseIterable {
        case put, putIfAbsent, get, getRange, head, list, delete, create, space
        case append, sync, publish, discard
    }

    /// One operation about to happen.
    public struct Call: Sendable, CustomStringConvertible {
        /// Counts all operations of the store from 1.
        public let number: Int
        /// What it is.
        public let operation: Operation
        /// The object, or the prefix of a list; empty for `space`.
        public let name: String

        /// `number operation name`.
        public var description: String { "\(number) \(operation) \(name)" }

        /// True for operations that change the store.
        public var changes: Bool {
            switch operation {
            case .get, .getRange, .head, .list, .space: false
            default: true
            }
        }
    }

    /// How an operation goes wrong.
    public enum Fault: Sendable {
        /// Nothing happens; the operation throws `.storeUnreachable`.
        case refuse
        /// Everything happens; the operation throws `.storeUnreachable` all the same.
        case loseAnswer
        /// Nothing happens; the operation throws `.storeFull`.
        case full
        /// Of an `append` only the first bytes happen, then it throws `.storeFull`; as `full`
        /// for any other operation.
        case shortWrite(Int)
    }

    /// Decides over the fate of each operation; nil lets it happen.
    public typealias FaultPlan = @Sendable (Call) -> Fault?

    struct Stored {
        var bytes: [UInt8]
        var durableBytes: Int
        var isNameDurable: Bool
        var modified: Timestamp
        /// Tells a file from another that later got its name.
        var identity: Int
    }

    struct State {
        var objects: [ObjectName: Stored] = [:]
        var calls: [Call] = []
        var faults: FaultPlan?
        var identities = 0
        var crashes = 0
    }

    let state = Condition(State())
    private let clock: any Clock

    /// An empty store.
    public init(clock: any Clock = SystemClock()) { self.clock = clock }

    /// `memory`.
    public var location: String { "memory" }

    /// All operations so far.
    public var calls: [Call] { state.read { $0.calls } }

    /// Decides over each operation from now on; nil makes the store reliable again.
    public func setFaults(_ plan: FaultPlan?) { state.change { $0.faults = plan } }

    /// The names of all objects, sorted.
    public var names: [ObjectName] { state.read { $0.objects.keys.sorted() } }

    /// The total length of all objects.
    public var storedBytes: Int {
        state.read { $0.objects.values.reduce(0) { $0 + $1.bytes.count } }
    }

    // MARK: - Contract

    /// See `ObjectStore`.
    public func put(_ name: ObjectName, _ bytes: [UInt8]) throws {
        try perform(.put, name.text) { state in store(name, bytes, in: &state) }
    }

    /// See `ObjectStore`.
    public func putIfAbsent(_ name: ObjectName, _ bytes: [UInt8]) throws -> Bool {
        try perform(.putIfAbsent, name.text) { state in
            guard state.objects[name] == nil else { return false }
            store(name, bytes, in: &state)
            return true
        }
    }

    /// See `ObjectStore`.
    public func get(_ name: ObjectName) throws -> [UInt8] {
        try perform(.get, name.text) { state in try Self.find(name, in: state).bytes }
    }

    /// See `ObjectStore`.
    public func get(
        _ name: ObjectName,
        range: Range<UInt64>,
        into output: UnsafeMutableRawBufferPointer
    ) throws {
        precondition(range.count == output.count)
        try perform(.getRange, name.text) { state in
            let bytes = try Self.find(name, in: state).bytes
            guard range.upperBound <= UInt64(bytes.count) else {
                throw PgkeepError(.integrity, "object \(name) ends at byte \(bytes.count)")
            }
            output.copyBytes(from: bytes[Int(range.lowerBound)..<Int(range.upperBound)])
        }
    }

    /// See `ObjectStore`.
    public func head(_ name: ObjectName) throws -> ObjectInfo? {
        try perform(.head, name.text) { state in
            state.objects[name].map { Self.info(name, $0) }
        }
    }

    /// See `ObjectStore`.
    public func list(prefix: String) throws -> [ObjectInfo] {
        try perform(.list, prefix) { state in
            state.objects.filter { $0.key.text.utf8.starts(with: prefix.utf8) }
                .map { Self.info($0.key, $0.value) }
                .sorted { $0.name < $1.name }
        }
    }

    /// See `ObjectStore`.
    public func delete(_ name: ObjectName) throws {
        try perform(.delete, name.text) { state in state.objects[name] = nil }
    }

    /// See `ObjectStore`.
    public func create(_ name: ObjectName, visible: Bool) throws -> any ObjectWriter {
        try perform(.create, name.text) { state in
            guard visible else { return MemoryWriter(self, name, isVisible: false, in: &state) }
            guard state.objects[name] == nil else {
                throw PgkeepError(.exists, "object \(name) exists already")
            }
            let writer = MemoryWriter(self, name, isVisible: true, in: &state)
            state.objects[name] = Stored(
                bytes: [],
                durableBytes: 0,
                isNameDurable: false,
                modified: clock.now,
                identity: writer.identity
            )
            return writer
        }
    }

    /// No limit to speak of.
    public func space() throws -> StoreSpace? {
        try perform(.space, "") { _ in
            StoreSpace(freeBytes: 1 << 40, totalBytes: 1 << 40)
        }
    }

    // MARK: - Damage

    /// The power cut: objects whose name was not durable vanish, others are cut to their durable
    /// length. `keeping` may let more of the unsynced bytes survive, as disks do: it gets the name
    /// and the number of unsynced bytes.
    public func crash(keeping: (ObjectName, Int) -> Int = { _, _ in 0 }) {
        state.change { state in
            state.crashes += 1
            for (name, object) in state.objects {
                guard object.isNameDurable else {
                    state.objects[name] = nil
                    continue
                }
                let kept = min(
                    object.bytes.count,
                    object.durableBytes + keeping(name, object.bytes.count - object.durableBytes)
                )
                state.objects[name]?.bytes.removeSubrange(kept...)
                state.objects[name]?.durableBytes = kept
            }
        }
    }

    /// Changes one byte of an object.
    public func corrupt(_ name: ObjectName, at offset: Int, xor mask: UInt8 = 0xff) {
        state.change { $0.objects[name]?.bytes[offset] ^= mask }
    }

    /// Cuts an object.
    public func truncate(_ name: ObjectName, to length: Int) {
        state.change { state in
            state.objects[name]?.bytes.removeSubrange(length...)
            state.objects[name]?.durableBytes = length
        }
    }

    /// Makes an object vanish.
    public func lose(_ name: ObjectName) { state.change { $0.objects[name] = nil } }

    /// Replaces an object behind the store's back, for example with the bytes of another.
    public func overwrite(_ name: ObjectName, with bytes: [UInt8]) {
        state.change { store(name, bytes, in: &$0) }
    }

    /// The bytes of an object without an operation being counted; nil when it is absent.
    public func peek(_ name: ObjectName) -> [UInt8]? { state.read { $0.objects[name]?.bytes } }

    // MARK: - Inside

    func perform<Result>(
        _ operation: Operation,
        _ name: String,
        _ body: (inout State) throws -> Result
    ) throws -> Result {
        let fault = fault(operation, name)
        return try state.change { state in
            guard let (fault, error) = fault else { return try body(&state) }
            if case .loseAnswer = fault { _ = try body(&state) }
            throw error
        }
    }

    /// Counts an operation and asks for its fate; nil when it goes well. The plan runs outside the
    /// lock, so it may itself use the store: that is how another process is let in between.
    func fault(_ operation: Operation, _ name: String) -> (Fault, PgkeepError)? {
        let (call, plan) = state.change { state in
            let call = Call(number: state.calls.count + 1, operation: operation, name: name)
            state.calls.append(call)
            return (call, state.faults)
        }
        guard let fault = plan?(call) else { return nil }
        switch fault {
        case .refuse, .loseAnswer:
            return (fault, PgkeepError(.storeUnreachable, "injected: no answer to \(call)"))
        case .full, .shortWrite:
            return (fault, PgkeepError(.storeFull, "injected: no space left in \(call)"))
        }
    }

    func store(_ name: ObjectName, _ bytes: [UInt8], in state: inout State) {
        state.identities += 1
        state.objects[name] = Stored(
            bytes: bytes,
            durableBytes: bytes.count,
            isNameDurable: true,
            modified: clock.now,
            identity: state.identities
        )
    }

    var now: Timestamp { clock.now }

    private static func find(_ name: ObjectName, in state: State) throws -> Stored {
        guard let found = state.objects[name] else {
            throw PgkeepError(.notFound, "object \(name) is not in memory")
        }
        return found
    }

    private static func info(_ name: ObjectName, _ object: Stored) -> ObjectInfo {
        ObjectInfo(name: name, size: UInt64(object.bytes.count), modified: object.modified)
    }
}

extension MemoryStore {
    /// Lets exactly one operation fail: of those that match, the one after `skipped` others.
    public func failOnce(
        after skipped: Int = 0,
        _ fault: Fault,
        where matches: @escaping @Sendable (Call) -> Bool
    ) {
        let left = Condition(skipped)
        setFaults { call in
            guard matches(call) else { return nil }
            return left.change { left in
                left -= 1
                return left == -1 ? fault : nil
            }
        }
    }
}
