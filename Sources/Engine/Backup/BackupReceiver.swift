import Domain
import Platform
import Postgres
import Vaulting

/// Turns the server's tar streams into files and their pages, on the thread that reads the stream.
///
/// It copies each byte once, from libpq's buffer into a stripe, and does nothing else to it: the
/// server sends no faster than this thread returns.
final class BackupReceiver: BaseBackupHandler {
    /// What the server said at the start.
    private(set) var start: BaseBackupStart?
    /// The files a restore and the point's record need to look into.
    private(set) var kept: [String: [UInt8]] = [:]

    private static let keptPaths: Set<String> = ["backup_label", "global/pg_control"]
    private static let keptBytesMax: UInt64 = 1 << 20
    /// Pieces of a stripe that need no room in it.
    private static let piecesMax = 1024

    private let pool: StripePool
    private let stripes: Channel<Stripe>
    private let files: FileCollector
    private let isIncremental: Bool
    private let manifestSink: (UnsafeRawBufferPointer) throws -> Void
    private let meter: ProgressMeter
    private let began: (BaseBackupStart) throws -> Void

    private var tar: TarReader?
    private var prefix: [UInt8] = []
    private var stripe: Stripe?
    private var piece: Stripe.Piece?
    /// Bytes until the open piece's pages no longer follow each other.
    private var pieceRoom = 0
    private var file: IncomingFile?
    private var changes: ArrivingChanges?
    private var keeping: String?

    init(
        pool: StripePool,
        stripes: Channel<Stripe>,
        files: FileCollector,
        isIncremental: Bool,
        meter: ProgressMeter,
        began: @escaping (BaseBackupStart) throws -> Void,
        manifest: @escaping (UnsafeRawBufferPointer) throws -> Void
    ) {
        self.pool = pool
        self.stripes = stripes
        self.files = files
        self.isIncremental = isIncremental
        self.meter = meter
        self.began = began
        manifestSink = manifest
    }

    func begin(_ start: BaseBackupStart) throws {
        self.start = start
        meter.begin("copy", totalBytes: start.estimatedBytes)
        try began(start)
    }

    func archive(_ tablespace: BaseBackupStart.Tablespace?) throws {
        try tar?.finish()
        tar = TarReader()
        prefix = tablespace.map { Array("pg_tblspc/\($0.oid)/".utf8) } ?? []
    }

    func data(_ bytes: UnsafeRawBufferPointer) throws {
        // Taken out and put back, so that the events may use the rest of this object.
        guard var reader = tar.take() else {
            throw PgkeepError(.sourceBroken, "the server sent data before an archive")
        }
        try reader.feed(bytes) { event in
            switch event {
            case .entry(let entry): try beginEntry(entry)
            case .data(let body): try append(body)
            case .endEntry: try endEntry()
            }
        }
        tar = reader
        meter.add(UInt64(bytes.count))
    }

    func manifest(_ bytes: UnsafeRawBufferPointer) throws {
        try tar?.finish()
        tar = nil
        try manifestSink(bytes)
    }

    func progress(_ bytes: UInt64) {}

    /// Hands over what is still held. Call once, after the stream has ended well.
    func finish() throws {
        try tar?.finish()
        try flush()
    }

    private func beginEntry(_ entry: TarEntry) throws {
        var path = prefix + entry.pathBytes
        while path.count > 1, path.last == UInt8(ascii: "/") { path.removeLast() }
        guard entry.kind == .file else {
            try files.add(entry, path: path)
            return
        }
        changes = isIncremental ? ArrivingChanges(entry, path: path) : nil
        guard changes == nil else { return }
        file = files.begin(entry, path: path)
        let name = String(decoding: path, as: UTF8.self)
        if Self.keptPaths.contains(name), entry.size <= Self.keptBytesMax {
            keeping = name
            kept[name] = []
        }
    }

    private func append(_ body: UnsafeRawBufferPointer) throws {
        var rest = body
        if var arriving = changes {
            rest = try arriving.feed(body)
            changes = arriving
            if let ready = try arriving.file(parents: files.parents) {
                changes = nil
                file = try files.begin(arriving, ready)
                // The server's estimate counts whole files.
                let whole = ready.pages * UInt64(IncomingFile.pageSize)
                if whole > arriving.entry.size { meter.add(whole - arriving.entry.size) }
            }
        }
        guard let file else { return }
        if let keeping { kept[keeping, default: []].append(contentsOf: body) }
        while !rest.isEmpty {
            var current = try openStripe()
            var open = piece ?? beginPiece(of: file, at: current.buffer.count)
            let wanted = UnsafeRawBufferPointer(rebasing: rest.prefix(pieceRoom))
            let taken = current.buffer.append(wanted)
            open.bytes += taken
            pieceRoom -= taken
            rest = UnsafeRawBufferPointer(rebasing: rest[taken...])
            piece = open
            if pieceRoom == 0 { closePiece(&current) }
            stripe = consume current
        }
    }

    private func beginPiece(of file: IncomingFile, at offset: Int) -> Stripe.Piece {
        let (first, count) = file.nextRun
        pieceRoom = Int(count) * IncomingFile.pageSize
        return Stripe.Piece(file: file, firstPage: first, offset: offset, bytes: 0)
    }

    private func endEntry() throws {
        keeping = nil
        try changes?.finish()
        guard let file else { return }
        self.file = nil
        defer { piece = nil }
        if file.pagesSent == 0, file.pages > 0 {
            try fold(file)
            return
        }
        guard var current = stripe.take() else {
            try files.received(file)
            return
        }
        // The buffer's capacity is a multiple of the page size, so the filling always fits.
        let tail = current.buffer.count % IncomingFile.pageSize
        if piece != nil, tail != 0 {
            let filling = IncomingFile.pageSize - tail
            UnsafeMutableRawBufferPointer(
                rebasing: current.buffer.memory[
                    current.buffer.count..<current.buffer.count + filling
                ]
            ).initializeMemory(as: UInt8.self, repeating: 0)
            current.buffer.count += filling
        }
        closePiece(&current)
        stripe = consume current
        try files.received(file)
    }

    /// Lets a worker settle a file that only lost or gained pages nobody sends.
    private func fold(_ file: IncomingFile) throws {
        var current = try openStripe()
        current.pieces.append(
            Stripe.Piece(file: file, firstPage: 0, offset: current.buffer.count, bytes: 0)
        )
        let isFull = current.pieces.count >= Self.piecesMax
        stripe = consume current
        if isFull { try flush() }
    }

    /// The stripe to fill: the open one if it has room, else a new one.
    private func openStripe() throws -> Stripe {
        if let current = stripe.take() {
            if current.buffer.room > 0 { return current }
            stripe = consume current
            try flush()
        }
        return Stripe(try pool.take())
    }

    private func closePiece(_ current: inout Stripe) {
        guard let open = piece.take() else { return }
        open.file.received += UInt64(
            (open.bytes + IncomingFile.pageSize - 1) / IncomingFile.pageSize
        )
        current.pieces.append(open)
    }

    private func flush() throws {
        guard var current = stripe.take() else { return }
        closePiece(&current)
        if current.pieces.isEmpty {
            try pool.put(current.buffer)
        } else {
            try stripes.send(current)
        }
    }
}
