import Domain
package import Platform
package import Vaulting

/// Places all files of a point: goes through the catalog, makes directories in its order, and deals
/// the files out to threads in windows.
package struct RestorePlacement {
    let reader: PointReader
    let layout: RestoreLayout
    let manifest: RestoredManifest
    let edits: RestoreEdits
    let owner: UserAccount?
    let workers: Int
    let meter: ProgressMeter
    let token: CancellationToken

    package init(
        reader: PointReader,
        layout: RestoreLayout,
        manifest: RestoredManifest,
        edits: RestoreEdits,
        owner: UserAccount?,
        workers: Int,
        meter: ProgressMeter,
        token: CancellationToken
    ) {
        self.reader = reader
        self.layout = layout
        self.manifest = manifest
        self.edits = edits
        self.owner = owner
        self.workers = workers
        self.meter = meter
        self.token = token
    }

    private static let windowPagesMax = 131_072
    private static let windowPagesMin = 4096

    /// Places everything; nothing is durable on return. Returns what should be known.
    package func run() throws -> [String] {
        let windows = Channel<RestoreWindow>(capacity: workers)
        let threads = (0..<workers).map { number in
            let fetcher = UncheckedBox(reader.makeFetcher())
            return Thread<Void>("restore-\(number)") { [manifest, edits, owner, meter, token] in
                do {
                    let writer = RestoreWriter(
                        fetcher: fetcher.value,
                        manifest: manifest,
                        edits: edits,
                        owner: owner,
                        meter: meter,
                        token: token
                    )
                    while let window = try windows.receive() { try writer.write(window) }
                } catch {
                    windows.abort(error)
                    throw error
                }
            }
        }
        do {
            let warnings = try deal(to: windows)
            windows.finish()
            for thread in threads { try thread.join() }
            return warnings
        } catch {
            windows.abort(error)
            for thread in threads { try? thread.join() }
            throw error
        }
    }

    private func deal(to windows: Channel<RestoreWindow>) throws -> [String] {
        // Several windows a thread, so that none is left with much more than the others.
        let pages = Int(reader.point.pagesTotal)
        let share = min(max(pages / (workers * 4), Self.windowPagesMin), Self.windowPagesMax)
        var window = RestoreWindow()
        var warnings: [String] = []
        let catalog = reader.catalog()
        while let entry = try catalog.next() {
            try token.check()
            let place = try layout.place(of: entry.path)
            switch entry.kind {
            case .directory: try makeDirectory(entry, place)
            case .link:
                warnings.append("the link \(entry.pathText) is not restored")
            case .file(let size, let crc32c, let content):
                guard !RestoreEdits.isLeftOut(entry.path) else { continue }
                let file = RestoredFile(entry, size: size, crc32c: crc32c, place: place)
                switch content {
                case .inline(let map):
                    let part = RestoreWindow.Part(
                        file: file,
                        region: 0,
                        pages: map.pages,
                        isSmall: true
                    )
                    try window.add(part, map, from: reader)
                case .regions(let regions):
                    try makeLargeFile(file)
                    for number in regions.indices {
                        let map = try reader.map(of: entry, region: number, fingerprints: false)
                        guard let map else { continue }
                        let part = RestoreWindow.Part(
                            file: file,
                            region: number,
                            pages: map.pages,
                            isSmall: false
                        )
                        try window.add(part, map, from: reader)
                        if window.isFull(pagesMax: share) { try hand(&window, to: windows) }
                    }
                }
                if window.isFull(pagesMax: share) { try hand(&window, to: windows) }
            }
        }
        if !window.isEmpty { try hand(&window, to: windows) }
        return warnings
    }

    private func hand(
        _ window: inout RestoreWindow,
        to windows: Channel<RestoreWindow>
    ) throws {
        try windows.send(window)
        window = RestoreWindow()
    }

    /// A directory may be there: the data directory itself, or the place of a tablespace's link.
    private func makeDirectory(_ entry: CatalogEntry, _ place: RawPath) throws {
        try FileSystem.makeDirectory(place, mode: entry.mode)
        try owner?.takeOwnership(of: place)
        guard entry.path == Array("pg_tblspc".utf8) else { return }
        for oid in layout.inner {
            let inner = place.appending("\(oid)".utf8)
            try FileSystem.makeDirectory(inner, mode: entry.mode)
            try owner?.takeOwnership(of: inner)
        }
    }

    /// Made in full length with holes, so that zero pages need no writing.
    private func makeLargeFile(_ file: RestoredFile) throws {
        let created = try File(file.place, .create(file.mode))
        try created.truncate(to: file.size)
        try owner?.takeOwnership(of: file.place)
    }
}
