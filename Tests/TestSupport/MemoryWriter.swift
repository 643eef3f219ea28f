import Domain
import Platform
import Storage

/// The writer of a `MemoryStore`. It keeps its own copy of all bytes; a visible object is a second
/// one that grows along until somebody else's object takes its name.
final class MemoryWriter: ObjectWriter {
    let identity: Int
    private let store: MemoryStore
    private let name: ObjectName
    private let isVisible: Bool
    private let crashes: Int
    private var bytes: [UInt8] = []
    private var isFinished = false
    private var failure: (any Error)?

    init(
        _ store: MemoryStore,
        _ name: ObjectName,
        isVisible: Bool,
        in state: inout MemoryStore.State
    ) {
        self.store = store
        self.name = name
        self.isVisible = isVisible
        state.identities += 1
        identity = state.identities
        crashes = state.crashes
    }

    var length: UInt64 { UInt64(bytes.count) }

    func append(_ added: UnsafeRawBufferPointer) throws {
        try step(.append) { state in
            write(added[...], &state)
        } partly: { state, count in
            write(added.prefix(count), &state)
        }
    }

    func sync() throws {
        try step(.sync) { state in makeDurable(&state) }
    }

    func publish(as final: ObjectName) throws -> Bool {
        try step(.publish) { state in
            makeDurable(&state)
            if isVisible, final == name {
                isFinished = true
                return true
            }
            guard state.objects[final] == nil else { return false }
            store.store(final, bytes, in: &state)
            if isVisible { removeVisible(&state) }
            isFinished = true
            return true
        }
    }

    func discard() throws {
        if isFinished { return }
        try store.perform(.discard, name.text) { state in
            if isVisible { removeVisible(&state) }
            isFinished = true
        }
    }

    private func write(_ added: Slice<UnsafeRawBufferPointer>, _ state: inout MemoryStore.State) {
        bytes.append(contentsOf: added)
        guard isVisible, state.objects[name]?.identity == identity else { return }
        state.objects[name]?.bytes.append(contentsOf: added)
        state.objects[name]?.modified = store.now
    }

    private func makeDurable(_ state: inout MemoryStore.State) {
        guard isVisible, state.objects[name]?.identity == identity else { return }
        state.objects[name]?.durableBytes = bytes.count
        state.objects[name]?.isNameDurable = true
    }

    private func removeVisible(_ state: inout MemoryStore.State) {
        guard state.objects[name]?.identity == identity else { return }
        state.objects[name] = nil
    }

    private func step<Result>(
        _ operation: MemoryStore.Operation,
        _ body: (inout MemoryStore.State) throws -> Result,
        partly: (inout MemoryStore.State, Int) -> Void = { _, _ in }
    ) throws -> Result {
        precondition(!isFinished, "the object is finished")
        if let failure { throw failure }
        do {
            let fault = store.fault(operation, name.text)
            return try store.state.change { state in
                // Nothing outlives the machine it ran on.
                guard crashes == state.crashes else {
                    throw PgkeepError(.storeUnreachable, "the writer of \(name) crashed")
                }
                guard let (fault, error) = fault else { return try body(&state) }
                switch fault {
                case .loseAnswer: _ = try body(&state)
                case .shortWrite(let count): partly(&state, count)
                case .refuse, .full: break
                }
                throw error
            }
        } catch {
            failure = error
            throw error
        }
    }
}
