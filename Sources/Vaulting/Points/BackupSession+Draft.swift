public import Domain
import Platform
import Storage

extension BackupSession {
    /// Files up to which drafts are made: each holds a catalog in memory beside the one that grows.
    private static var draftEntriesMax: UInt64 { 300_000 }

    /// Writes down what is stored so far, so that, should this session not end, the next one need
    /// not store it again. Durable on return; replaces the draft before.
    ///
    /// The draft lists every complete file whose pages are all in durable packs, and the parent's
    /// files where there is nothing newer: the next session takes it for its parent as it is. Does
    /// nothing for more than 300,000 files.
    ///
    /// - Parameter point: what is known of the point by now, with the session's id.
    public func saveDraft(_ point: RecoveryPoint, catalog: CatalogWriter) throws {
        precondition(point.id == id && point.systemIdentifier == systemIdentifier)
        let entries = catalog.totals.files + (parent?.root.entries ?? 0)
        guard entries <= Self.draftEntriesMax else { return }
        try sink.waitUntilPublished(Set(sink.handedOver.map(\.id)))
        let durable = Dictionary(
            sink.published.map { ($0.id, $0) }
        ) { first, _ in first }
        let complete = CatalogWriter()
        var paths: Set<[UInt8]> = []
        try catalog.forEachEntry { entry in
            guard entry.packs.allSatisfy({ $0.session != id || durable[$0] != nil }) else { return }
            try complete.add(entry)
            paths.insert(entry.path)
        }
        do {
            let cursor = parent?.catalog()
            while let entry = try cursor?.next() {
                if !paths.contains(entry.path) { try complete.add(entry) }
            }
        } catch let error as PgkeepError
            where [.integrity, .notFound, .vaultVersion].contains(error.code)
        {
            // The parent is damaged: what cannot be read of it is stored again by whoever is next.
        }
        let writer = makePackWriter()
        var (index, tally) = try complete.write(with: writer)
        for frame in index { tally.add(frame.place) }
        try writer.finish()
        try sink.waitUntilPublished(Set(index.map(\.place.pack)))
        try put(point, index, tally)
    }

    private func put(
        _ point: RecoveryPoint,
        _ index: [CatalogFrame],
        _ tally: PackTally
    ) throws {
        var root = PointRoot(
            point: point,
            parentRoot: parentRoot,
            packs: tally.packs,
            attachments: [],
            entries: index.reduce(0) { $0 + UInt64($1.entries) },
            catalog: index
        )
        root.point.parent = parentPoint
        root.point.state = .running
        root.point.pagesTotal = root.packs.reduce(0) { $0 + UInt64($1.livePages) }
        complete(&root, own: Dictionary(uniqueKeysWithValues: sink.published.map { ($0.id, $0) }))
        let last = draft.read { $0 }
        let number = last.map { $0 + 1 } ?? 0
        let name = VaultNames.draft(systemIdentifier, id, number)
        try vault.store.put(
            name,
            try Sealed.encode(
                vault,
                name,
                kind: .draft,
                system: systemIdentifier,
                frames: try RootCodec.encode(root)
            )
        )
        draft.change { $0 = number }
        lease.setDraft(number)
        try lease.beat()
        if let last { try vault.store.delete(VaultNames.draft(systemIdentifier, id, last)) }
    }
}

extension CatalogEntry {
    /// The packs it needs.
    fileprivate var packs: [PackID] {
        switch kind {
        case .file(_, _, .inline(let map)): map.packs
        case .file(_, _, .regions(let regions)): regions.flatMap { $0.usage.map(\.pack) }
        case .directory, .link: []
        }
    }
}
