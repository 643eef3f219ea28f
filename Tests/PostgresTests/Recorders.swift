import Domain
import Platform
import Postgres
import TestSupport

/// Takes a base backup in and keeps only what tests ask about.
final class BackupRecorder: BaseBackupHandler {
    var start: BaseBackupStart?
    var archives: [UInt32?] = []
    var bytes: [UInt64] = []
    var manifest: [UInt8] = []
    var lastProgress: UInt64 = 0
    /// Called with every piece of data.
    var onData: () throws -> Void = {}

    var total: UInt64 { bytes.reduce(0, +) }

    func begin(_ start: BaseBackupStart) throws { self.start = start }

    func archive(_ tablespace: BaseBackupStart.Tablespace?) throws {
        archives.append(tablespace?.oid)
        bytes.append(0)
    }

    func data(_ bytes: UnsafeRawBufferPointer) throws {
        self.bytes[self.bytes.count - 1] += UInt64(bytes.count)
        try onData()
    }

    func manifest(_ bytes: UnsafeRawBufferPointer) throws { manifest.append(contentsOf: bytes) }

    func progress(_ bytes: UInt64) throws { lastProgress = bytes }
}

/// Takes WAL in, keeps its bytes, and reports it durable when it is told to flush: at once, or by
/// another thread as a journal does.
final class WALRecorder: WALStreamHandler, @unchecked Sendable {
    let control: WALStreamControl
    let start: LSN
    /// False for a receiver that keeps nothing.
    var reports = true
    private let state = Condition([UInt8]())

    init(_ control: WALStreamControl, start: LSN) {
        self.control = control
        self.start = start
    }

    var bytes: [UInt8] { state.read { $0 } }

    private var end: LSN { start + UInt64(state.read { $0.count }) }

    func received(_ bytes: UnsafeRawBufferPointer, at position: LSN) throws {
        precondition(position == end, "WAL with holes")
        state.change { $0.append(contentsOf: bytes) }
    }

    func idle() throws { flush() }

    func flushNow() throws { flush() }

    func keepalive(serverTime: Timestamp, walEnd: LSN) throws {}

    private func flush() {
        guard reports else { return }
        let end = end
        _ = Thread<Void>("journal") { [control] in control.report(written: end, flushed: end) }
    }
}

/// A stream that runs on a thread of its own.
final class RunningStream: Sendable {
    let control: WALStreamControl
    let recorder: WALRecorder
    private let thread: Thread<WALStreamEnd>

    init(
        _ conninfo: String,
        slot: String? = nil,
        start: LSN,
        timeline: TimelineID = 1,
        name: String = "test",
        reports: Bool = true,
        adjust: (inout WALStream.Options) -> Void = { _ in },
        cancellation: CancellationToken = CancellationToken()
    ) throws {
        let control = try WALStreamControl()
        let recorder = WALRecorder(control, start: start)
        recorder.reports = reports
        let connection = try Connection(
            ConnectionSettings(conninfo),
            kind: .physicalReplication,
            applicationName: name
        )
        var options = WALStream.Options(slot: slot, start: start, timeline: timeline)
        adjust(&options)
        self.control = control
        self.recorder = recorder
        thread = Thread("stream") { [options] in
            try WALStream.run(
                on: connection,
                options,
                control: control,
                handler: recorder,
                cancellation: cancellation
            )
        }
    }

    func end() throws -> WALStreamEnd { try thread.join() }

    var hasEnded: Bool { thread.result != nil }
}

extension PostgresServer {
    /// The bytes of a WAL file of the server.
    func walFile(_ segment: WALSegment) throws -> [UInt8] {
        try FileSystem.readFile("\(dataDirectory)/pg_wal/\(segment.name)")
    }

    /// The first byte of the segment now written to.
    func segmentStart() throws -> LSN {
        WALSegment(timeline: 1, containing: try currentLSN(), size: .standard).start
    }

    func replication() throws -> Connection {
        try Connection(
            ConnectionSettings(conninfo),
            kind: .physicalReplication,
            applicationName: "test"
        )
    }

    func sql() throws -> Connection {
        try Connection(ConnectionSettings(conninfo), kind: .sql, applicationName: "test")
    }

    /// The number of sessions that use the replication protocol.
    func walSenders() throws -> Int {
        Int(try psql("select count(*) from pg_stat_activity where backend_type = 'walsender'"))
            ?? -1
    }
}

/// The PgkeepError `body` throws; nil when it throws none.
func failure(_ body: () throws -> Void) -> PgkeepError? {
    do {
        try body()
        return nil
    } catch {
        return error as? PgkeepError
    }
}

/// CRC-32C of a slice: comparing megabytes byte by byte takes seconds in a debug build.
func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    bytes.withUnsafeBytes { CRC32C.of($0) }
}
