public import Domain
public import Platform
import Storage

/// One backup from its lease to its commit; nothing of it is visible before `commit` returns.
///
/// Order of events (format spec, *The order of events*): lease naming the parent, look at the
/// parent again, packs, root put-if-absent, lease removed. Shared by the threads of the backup.
public final class BackupSession: Sendable {
    /// The session's id, which becomes the recovery point's.
    public let id: PointID
    /// The vault written to.
    public let vault: Vault
    /// The instance.
    public let systemIdentifier: SystemIdentifier
    /// The point whose unchanged pages may be kept.
    public let parent: PointReader?
    /// The session's sign of life; `setStatus` on it reports progress.
    public let lease: Lease
    let sink: PackSink
    /// The number of the last draft saved.
    let draft = Condition<UInt32?>(nil)
    private let clock: any Clock
    private let state = Condition(State.open)

    private enum State {
        case open, committing, undecided([UInt8]), ended
    }

    private init(_ lease: Lease, parent: PointReader?, clock: any Clock) {
        self.lease = lease
        self.parent = parent
        self.clock = clock
        id = lease.session
        vault = lease.vault
        systemIdentifier = lease.systemIdentifier
        sink = PackSink(lease.vault, lease.systemIdentifier, lease.session)
    }

    /// Begins a backup of an instance.
    ///
    /// Throws `.busy` when `parent` expired in the meantime: choose another one and begin again.
    public static func begin(
        _ vault: Vault,
        _ system: SystemIdentifier,
        parent: PointReader? = nil,
        clock: any Clock = SystemClock()
    ) throws -> BackupSession {
        let lease = try Lease.begin(
            vault,
            system,
            kind: .backup,
            parent: parent?.point.id,
            clock: clock
        )
        do {
            // Only now, with the lease in place, is the parent's presence worth anything: a pruner
            // that has not seen the lease has already put the marker or removed the root.
            if let parent, try !isThere(parent, vault, system) {
                throw PgkeepError(
                    .busy,
                    "recovery point \(parent.point.id) expired just now",
                    hint: "run the backup again; it will choose another parent"
                )
            }
        } catch {
            try? lease.end()
            throw error
        }
        return BackupSession(lease, parent: parent, clock: clock)
    }

    private static func isThere(
        _ parent: PointReader,
        _ vault: Vault,
        _ system: SystemIdentifier
    ) throws -> Bool {
        let id = parent.point.id
        guard let draft = parent.draft else { return try PointStore.isVisible(vault, system, id) }
        return try DraftStore.isUsable(vault, system, id, draft)
    }

    /// A pack writer for one worker thread, which must call its `finish` before the commit.
    public func makePackWriter() -> PackWriter { PackWriter(sink) }

    /// A builder for the map of one region; `parent` is that region's map in the parent point.
    public func makeRegionBuilder(pages: Int, parent: RegionMap? = nil) -> RegionMapBuilder {
        RegionMapBuilder(pages: pages, session: id, parent: parent)
    }

    /// Says how many bytes the instance has, about: a small one gets small packs.
    public func expect(instanceBytes: UInt64) {
        sink.packBytes = min(
            max(instanceBytes / VaultFormat.packsWanted, VaultFormat.packBytesMin),
            VaultFormat.packBytes
        )
    }

    /// Closes packs at `bytes` from now on.
    package func closePacks(at bytes: UInt64) { sink.packBytes = bytes }

    /// Bytes of packs handed over so far.
    public var storedBytes: UInt64 { sink.handedOver.reduce(0) { $0 + $1.size } }

    /// Writes catalog and root; on return the recovery point exists and is durable.
    ///
    /// All pack writers must have been finished. `point` carries the session's id; its counts,
    /// sizes, parent and finishing time are filled in. Throws `.busy` when the session was fenced.
    /// After an error the session can only be abandoned.
    public func commit(
        _ point: RecoveryPoint,
        catalog: CatalogWriter,
        attachments: [Attachment] = []
    ) throws -> RecoveryPoint {
        precondition(point.id == id && point.systemIdentifier == systemIdentifier)
        state.change { state in
            guard case .open = state else { preconditionFailure("commit of an ended session") }
            state = .committing
        }
        var root = try writeTail(point, catalog, attachments)
        let packs = Dictionary(
            uniqueKeysWithValues: try sink.drain().map { ($0.id, $0) }
        )
        complete(&root, own: packs)
        for pack in root.packs where pack.info.size == 0 {
            throw PgkeepError(
                .unexpected,
                "pack \(pack.info.id) is needed but was never written",
                hint: "run the backup again and report this"
            )
        }
        let name = VaultNames.root(systemIdentifier, id)
        let bytes = try Sealed.encode(
            vault,
            name,
            kind: .root,
            system: systemIdentifier,
            frames: try RootCodec.encode(root)
        )
        state.change { $0 = .undecided(bytes) }
        try Commit.decide(vault, name, bytes)
        state.change { $0 = .ended }
        // A lease left behind is removed by pruning, which finds the session committed; so is a
        // draft, which is of no use now.
        if let last = draft.read({ $0 }) {
            try? vault.store.delete(VaultNames.draft(systemIdentifier, id, last))
        }
        try? lease.end()
        return root.point
    }

    /// Gives up: removes the session's packs and lease, unless the commit turns out to have
    /// happened. Best effort; what it must leave, pruning collects. Does nothing after a successful
    /// commit.
    public func abandon() {
        let last = state.change { state in
            defer { state = .ended }
            return state
        }
        sink.abort(PgkeepError(.cancelled, "the backup was given up"))
        switch last {
        case .ended: return
        case .undecided(let bytes):
            // Whether the root exists is unknown. A tombstone settles it; without one, touch
            // nothing.
            switch try? Commit.fence(self, unless: bytes) {
            case true?: break
            case false?: return (try? lease.end()) ?? ()
            case nil: return lease.abandon()
            }
        case .open, .committing:
            guard let number = draft.read({ $0 }) else { break }
            // What the draft names stays for the next session; pruning collects the rest.
            guard (try? Commit.fence(self, unless: [], draft: number)) == true else {
                return lease.abandon()
            }
            return (try? lease.end()) ?? ()
        }
        do {
            // As listed: a pack may be there although the store's answer was lost.
            let prefix = VaultNames.packPrefix(systemIdentifier, session: id)
            for pack in try vault.store.list(prefix: prefix) { try vault.store.delete(pack.name) }
        } catch {
            // Packs that stay behind without a lease would look like those of a lost root.
            return lease.abandon()
        }
        try? lease.end()
    }

    // MARK: - Root

    private func writeTail(
        _ point: RecoveryPoint,
        _ catalog: CatalogWriter,
        _ attachments: [Attachment]
    ) throws -> PointRoot {
        precondition(sink.openPacks == 0, "a pack writer was not finished")
        let tail = makePackWriter()
        var (index, tally) = try catalog.write(with: tail)
        for frame in index { tally.add(frame.place) }
        for attachment in attachments {
            for frame in attachment.frames { tally.add(frame) }
        }
        let totals = catalog.totals
        var root = PointRoot(
            point: point,
            parentRoot: parentRoot,
            packs: tally.packs,
            attachments: attachments,
            entries: index.reduce(0) { $0 + UInt64($1.entries) },
            catalog: index
        )
        root.point.parent = parentPoint
        root.point.finishedAt = clock.now
        root.point.files = totals.files
        root.point.logicalBytes = totals.bytes
        root.point.pagesTotal = root.packs.reduce(0) { $0 + UInt64($1.livePages) }
        // The copy for salvage tells what is known before its own pack is closed.
        complete(&root, own: Dictionary(uniqueKeysWithValues: sink.handedOver.map { ($0.id, $0) }))
        for frame in try RootCodec.encode(root) where frame.kind != .catalogIndex {
            _ = try tail.append(.rootCopy, [frame.kind.rawValue] + frame.bytes)
        }
        try tail.finish()
        return root
    }

    /// The point whose pages are shared: a draft is none, but shares those of its own parent.
    var parentPoint: PointID? { parent?.draft == nil ? parent?.point.id : parent?.point.parent }

    /// The digest of that point's root.
    var parentRoot: [UInt8]? {
        parent?.draft == nil ? parent?.root.digest : parent?.root.parentRoot
    }

    /// Fills in what is known about packs, and the sums of the session's own.
    func complete(_ root: inout PointRoot, own: [PackID: PackInfo]) {
        for index in root.packs.indices {
            let id = root.packs[index].info.id
            if let info = own[id] ?? parent?.packs[id]?.info { root.packs[index].info = info }
        }
        root.point.storedBytes = own.values.reduce(0) { $0 + $1.size }
        root.point.pagesNew = own.values.reduce(0) { $0 + UInt64($1.pages) }
    }
}
