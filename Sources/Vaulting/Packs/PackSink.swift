import Domain
import Platform
import Storage

/// A pack that is complete but has neither durability nor a name yet.
struct FinishedPack: @unchecked Sendable {
    // The writer changes hands with this value: the worker that filled it never touches it again.
    let info: PackInfo
    let object: SealedObjectWriter
}

/// Numbers a session's packs and makes them durable on a thread of its own, so that no worker waits
/// for fsync while there is something to compress.
final class PackSink: Sendable {
    let session: PointID
    private let vault: Vault
    private let system: SystemIdentifier
    private let state = Condition(State())
    private let queue: Channel<FinishedPack>
    private let publisher: Thread<Void>

    private struct State {
        var next: UInt32 = 0
        var packBytes = VaultFormat.packBytes
        var handedOver: [PackInfo] = []
        var published: [PackInfo] = []
        var failure: (any Error)?
    }

    /// Finished packs that may wait: each holds nothing but an open file.
    private static let waiting = 2

    init(_ vault: Vault, _ system: SystemIdentifier, _ session: PointID) {
        self.vault = vault
        self.system = system
        self.session = session
        let queue = Channel<FinishedPack>(capacity: Self.waiting)
        self.queue = queue
        publisher = Thread("pack-publish") { [state] in
            do {
                while let pack = try queue.receive() {
                    guard try pack.object.publish() else {
                        throw PgkeepError(
                            .integrity,
                            "\(pack.object.name) exists already",
                            hint: "run the backup again; nothing has been harmed"
                        )
                    }
                    state.change { $0.published.append(pack.info) }
                }
            } catch {
                state.change { $0.failure = error }
                queue.abort(error)
                throw error
            }
        }
    }

    deinit {
        // A session dropped on the floor must not leave its thread waiting for ever.
        queue.abort(PgkeepError(.cancelled, "the backup was given up"))
    }

    /// Begins a pack with the next number.
    func begin() throws -> (PackID, SealedObjectWriter) {
        let number = state.change { state in
            defer { state.next += 1 }
            return state.next
        }
        let id = PackID(session: session, number: number)
        let name = VaultNames.pack(system, id)
        let object = try SealedObjectWriter(
            vault,
            name: name,
            kind: .pack,
            system: system,
            into: try vault.store.create(name, visible: false),
            bufferBytes: 1 << 20,
            isDigested: true
        )
        return (id, object)
    }

    /// Bytes at which a pack is closed.
    var packBytes: UInt64 {
        get { state.read { $0.packBytes } }
        set { state.change { $0.packBytes = newValue } }
    }

    func hand(over pack: FinishedPack) throws {
        state.change { $0.handedOver.append(pack.info) }
        try queue.send(pack)
    }

    /// Packs complete so far, whether durable or not.
    var handedOver: [PackInfo] { state.read { $0.handedOver } }

    /// Packs durable under their names so far.
    var published: [PackInfo] { state.read { $0.published } }

    /// Waits until packs that were handed over are durable under their names.
    func waitUntilPublished(_ packs: Set<PackID>) throws {
        _ = try state.wait { state -> Bool? in
            if let failure = state.failure { throw failure }
            return packs.isSubset(of: state.published.map(\.id)) ? true : nil
        }
    }

    /// Packs begun and not handed over.
    var openPacks: Int { state.read { Int($0.next) - $0.handedOver.count } }

    /// Waits until every pack handed over is durable under its name; returns them all. The sink
    /// cannot be used afterwards.
    func drain() throws -> [PackInfo] {
        queue.finish()
        try publisher.join()
        return state.read { $0.published }
    }

    /// Stops, leaving what is published. Nothing more is when it returns.
    func abort(_ error: any Error) {
        queue.abort(error)
        try? publisher.join()
    }
}
