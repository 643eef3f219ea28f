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

    private let pool: StripePool
    private let stripes: Channel<Stripe>
    private let files: FileCollector
    private let manifestSink: (UnsafeRawBufferPointer) throws -> Void
    private let meter: ProgressMeter
    private let began: (BaseBackupStart) throws -> Void

    private var tar: TarReader?
    private var prefix: [UInt8] = []
    private var stripe: Stripe?
    private var piece: Stripe.Piece?
    private var file: IncomingFile?
    private var keeping: String?

    init(
        pool: StripePool,
        stripes: Channel<Stripe>,
        files: FileCollector,
        meter: ProgressMeter,
        began: @escaping (BaseBackupStart) throws -> Void,
        manifest: @escaping (UnsafeRawBufferPointer) throws -> Void
    ) {
        self.pool = pool
        self.stripes = stripes
        self.files = files
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
        let incoming = try files.begin(entry, path: path)
        file = incoming
        let name = String(decoding: path, as: UTF8.self)
        if Self.keptPaths.contains(name), entry.size <= Self.keptBytesMax {
            keeping = name
            kept[name] = []
        }
    }

    private func append(_ body: UnsafeRawBufferPointer) throws {
        guard let file else { return }
        if let keeping { kept[keeping, default: []].append(contentsOf: body) }
        var rest = body
        while !rest.isEmpty {
            var current = try openStripe()
            var open =
                piece
                ?? Stripe.Piece(
                    file: file,
                    firstPage: file.nextPage,
                    offset: current.buffer.count,
                    bytes: 0
                )
            let taken = current.buffer.append(rest)
            open.bytes += taken
            rest = UnsafeRawBufferPointer(rebasing: rest[taken...])
            piece = open
            stripe = consume current
        }
    }

    private func endEntry() throws {
        keeping = nil
        guard let file else { return }
        self.file = nil
        defer { piece = nil }
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
        open.file.nextPage += UInt64(
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
