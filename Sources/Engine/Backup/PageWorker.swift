import Domain
import Platform
import Sealing
import Vaulting

/// One thread's share of the pipeline: pages in, fingerprints and frames out.
///
/// pages → compare with parent → frame → pack. Each worker fills packs of its own, so nothing in
/// here waits for another worker.
final class PageWorker {
    private let stripes: Channel<Stripe>
    private let pool: StripePool
    private let packs: PackWriter
    private let fingerprinter: Fingerprinter
    private let files: FileCollector
    private let evacuation: Evacuation?
    private let drafts: DraftKeeper?
    /// Reads pages of the parent that are stored again; made when the first is.
    private var fetcher: PageFetcher?
    /// Pages that follow each other and are to be stored: at most a frame of them.
    private var run = 0

    private static let runMax = 16

    init(
        stripes: Channel<Stripe>,
        pool: StripePool,
        packs: PackWriter,
        fingerprinter: Fingerprinter,
        files: FileCollector,
        evacuation: Evacuation?,
        drafts: DraftKeeper?
    ) {
        self.stripes = stripes
        self.pool = pool
        self.packs = packs
        self.fingerprinter = fingerprinter
        self.files = files
        self.evacuation = evacuation
        self.drafts = drafts
    }

    /// Works until the receiver finishes; on return all pages of this worker are in its packs.
    func work() throws {
        while let stripe = try stripes.receive() {
            for piece in stripe.pieces { try place(piece, of: stripe.buffer) }
            try pool.put(stripe.buffer)
            try drafts?.saveIfDue(files.catalog, packs)
        }
        try packs.finish()
    }

    private func place(_ piece: Stripe.Piece, of buffer: borrowing Buffer) throws {
        let size = IncomingFile.pageSize
        let count = (piece.bytes + size - 1) / size
        var done = 0
        if count == 0 {
            // Of this file no page came, and yet it is not the parent's: it was cut or extended.
            try complete(piece.file.region(0), 0, of: piece.file)
        }
        // A piece may cross from one region into the next.
        while done < count {
            let first = Int(piece.firstPage) + done
            let number = first / IncomingFile.regionPages
            let start = first % IncomingFile.regionPages
            let length = min(count - done, IncomingFile.regionPages - start)
            let region = try piece.file.region(number)
            let offset = piece.offset + done * size
            let bytes = UnsafeRawBufferPointer(
                rebasing: buffer.bytes[offset..<offset + length * size]
            )
            try place(bytes, at: start, in: region, valid: piece.bytes - done * size)
            if region.placed(length) {
                try complete(region, number, of: piece.file)
            }
            done += length
        }
    }

    private func complete(
        _ region: IncomingFile.Region,
        _ number: Int,
        of file: IncomingFile
    ) throws {
        if !region.moving.isEmpty { try move(region) }
        try files.complete(region, number, of: file, through: packs)
    }

    /// Stores pages again that the server did not send: they are read from the vault.
    private func move(_ region: IncomingFile.Region) throws {
        guard let parents = files.parents, var wanted = region.parent?.map else { return }
        let known = wanted
        wanted.locations = Array(repeating: .zero, count: known.pages)
        for page in region.moving { wanted.locations[page] = known.locations[page] }
        let fetcher = fetcher ?? parents.reader.makeFetcher()
        self.fetcher = fetcher
        try fetcher.fetch(parents.reader.runs(of: wanted, tag: 0)) { first, bytes in
            let location = try packs.append(pages: bytes)
            for index in 0..<bytes.count / IncomingFile.pageSize {
                let page = Int(first) + index
                region.map.set(
                    page,
                    fingerprint: known.fingerprints[page],
                    location: PageLocation(
                        pack: location.pack,
                        page: location.page + UInt32(index)
                    )
                )
            }
        }
    }

    /// Places consecutive pages. `valid` bytes of them belong to the file.
    private func place(
        _ bytes: UnsafeRawBufferPointer,
        at start: Int,
        in region: IncomingFile.Region,
        valid: Int
    ) throws {
        let size = IncomingFile.pageSize
        let count = bytes.count / size
        run = 0
        for index in 0..<count {
            let page = UnsafeRawBufferPointer(rebasing: bytes[index * size..<(index + 1) * size])
            let length = min(size, valid - index * size)
            region.checksums[start + index] = CRC32C.of(
                UnsafeRawBufferPointer(rebasing: page[..<length])
            )
            if isZero(page) {
                try store(bytes, before: index, at: start, in: region)
                region.map.setZero(start + index)
                continue
            }
            let fingerprint = fingerprinter.fingerprint(page)
            if region.map.parentFingerprint(start + index) == fingerprint {
                if !moves(start + index, of: region) {
                    try store(bytes, before: index, at: start, in: region)
                    region.map.keep(start + index)
                    continue
                }
            } else {
                evacuation?.countNew(1)
            }
            region.fingerprints[start + index] = fingerprint
            run += 1
            if run == Self.runMax { try store(bytes, before: index + 1, at: start, in: region) }
        }
        try store(bytes, before: count, at: start, in: region)
    }

    /// Whether a page the parent has is stored again, for its pack to become empty.
    private func moves(_ page: Int, of region: IncomingFile.Region) -> Bool {
        guard let turns = region.turns, let evacuation else { return false }
        return evacuation.takesPage(turns[region.map.parentPack(page)])
    }

    /// Stores the run of new pages that ends before page `end` of `bytes`, if there is one.
    private func store(
        _ bytes: UnsafeRawBufferPointer,
        before end: Int,
        at start: Int,
        in region: IncomingFile.Region
    ) throws {
        guard run > 0 else { return }
        let size = IncomingFile.pageSize
        let first = end - run
        let location = try packs.append(
            pages: UnsafeRawBufferPointer(rebasing: bytes[first * size..<end * size])
        )
        for index in 0..<run {
            let page = start + first + index
            region.map.set(
                page,
                fingerprint: region.fingerprints[page],
                location: PageLocation(
                    pack: location.pack,
                    page: location.page + UInt32(index)
                )
            )
        }
        drafts?.count(run)
        run = 0
    }
}
