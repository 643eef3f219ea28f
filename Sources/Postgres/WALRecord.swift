import Domain

// One WAL record as far as it is kept: at least its 24-byte header, and of those that matter as
// much as their meaning needs. Source of the format: src/include/access/{xlogrecord,xact}.h and
// catalog/pg_control.h, commands/tablespace.h, PostgreSQL 13–18.
struct WALRecord {
    static let headerSize = 24
    // XLogRecordMaxSize of PostgreSQL 16 and later; earlier ones stay far below in practice.
    static let maximumSize = 1020 << 20
    // Record headers, then the fixed part of the longest main data: CheckPoint.
    private static let fixedPart = 24 + 13 + 88
    // The xid of a prepared transaction lies behind lists of any length; beyond this it is given
    // up.
    private static let preparedLimit = 4 << 20
    // Record headers, then the oid and path of a tablespace.
    private static let tablespacePart = 24 + 13 + 4 + 1024

    let bytes: UnsafeRawBufferPointer
    let total: Int
    let majorVersion: Int

    // True for the resource managers that have anything to say: 0 (XLOG), 1 (Transaction) and
    // 5 (Tablespace).
    @inline(__always)
    static func matters(manager: UInt8) -> Bool { manager <= 1 || manager == 5 }

    // False for what a server writes that nobody works with: XLOG (checkpoints, switches) but for
    // its page images, Transaction (what a transaction changed has records of its own), Standby
    // (running transactions) and LogicalMessage (heartbeats).
    @inline(__always)
    static func changes(manager: UInt8, info: UInt8) -> Bool {
        switch manager {
        case 0: info & 0xF0 == 0xA0 || info & 0xF0 == 0xB0
        case 1, 8, 21: false
        default: true
        }
    }

    private static func operation(_ resource: UInt8, _ info: UInt8) -> Operation? {
        switch (resource, resource == 1 ? info & 0x70 : info & 0xF0) {
        case (1, 0x00): .commit
        case (1, 0x20): .abort
        case (1, 0x30): .commitPrepared
        case (1, 0x40): .abortPrepared
        case (0, 0x00): .checkpointShutdown
        case (0, 0x10): .checkpointOnline
        case (0, 0x40): .segmentSwitch
        case (0, 0x50): .backupEnd
        case (0, 0x60): .parameterChange
        case (0, 0x70): .restorePoint
        case (0, 0x90): .endOfRecovery
        case (0, 0xD0): .overwriteContrecord
        case (5, 0x00): .tablespaceCreate
        default: nil
        }
    }

    private enum Operation {
        case commit, abort, commitPrepared, abortPrepared
        case checkpointShutdown, checkpointOnline, segmentSwitch, backupEnd, parameterChange
        case restorePoint, endOfRecovery, overwriteContrecord, tablespaceCreate
    }

    // How many bytes from the front must be kept to read this record; just the header for most.
    static func bytesNeeded(header: UnsafeRawBufferPointer, total: Int) -> Int {
        switch operation(header[17], header[16]) {
        case nil, .segmentSwitch: headerSize
        case .commitPrepared, .abortPrepared: min(total, preparedLimit)
        case .tablespaceCreate: min(total, tablespacePart)
        default: min(total, fixedPart)
        }
    }

    // What the record says; nil when it does not matter, `.failure` when it contradicts its format.
    func kind(start: LSN, end: LSN) -> Result<WALEvent.Kind?, Malformed> {
        guard let operation = Self.operation(bytes[17], bytes[16]) else { return .success(nil) }
        if case .segmentSwitch = operation { return .success(.segmentSwitch) }
        guard let main = mainData(), let kind = read(operation, main, start, end) else {
            return .failure(Malformed())
        }
        return .success(kind)
    }

    struct Malformed: Error {}

    private func read(
        _ operation: Operation,
        _ main: UnsafeRawBufferPointer,
        _ start: LSN,
        _ end: LSN
    ) -> WALEvent.Kind? {
        switch operation {
        case .commit, .abort, .commitPrepared, .abortPrepared:
            return transactionEnd(operation, main, start, end)
        case .checkpointShutdown, .checkpointOnline:
            guard main.count >= WALCheckpoint.size else { return nil }
            return .checkpoint(WALCheckpoint(main, isOnline: operation == .checkpointOnline))
        case .segmentSwitch: return .segmentSwitch
        case .backupEnd:
            guard main.count >= 8 else { return nil }
            return .backupEnd(start: LSN(main.field(0)))
        case .parameterChange:
            guard main.count >= 24 else { return nil }
            let settings = SettingsFloor(
                maxConnections: main.field(0),
                maxWorkerProcesses: main.field(4),
                maxWALSenders: main.field(8),
                maxPreparedTransactions: main.field(12),
                maxLocksPerTransaction: main.field(16)
            )
            return .parameterChange(settings, walLevel: main.field(20))
        case .restorePoint:
            guard main.count >= 72 else { return nil }
            let name = main.part(8, 72).prefix { $0 != 0 }
            return .restorePoint(name: String(decoding: name, as: UTF8.self), time: time(main))
        case .endOfRecovery:
            guard main.count >= 16 else { return nil }
            return .endOfRecovery(
                timeline: main.field(8),
                previous: main.field(12),
                time: time(main)
            )
        case .overwriteContrecord:
            guard main.count >= 8 else { return nil }
            return .overwroteRecord(lost: LSN(main.field(0)))
        case .tablespaceCreate:
            guard main.count >= 5 else { return nil }
            let path = main.part(4, main.count).prefix { $0 != 0 }
            return .tablespaceCreated(
                oid: main.field(0),
                path: String(decoding: path, as: UTF8.self),
                previous: LSN(bytes.field(8))
            )
        }
    }

    private func time(_ main: UnsafeRawBufferPointer) -> Timestamp {
        Timestamp(postgresMicroseconds: main.field(0))
    }

    private func transactionEnd(
        _ operation: Operation,
        _ main: UnsafeRawBufferPointer,
        _ start: LSN,
        _ end: LSN
    ) -> WALEvent.Kind? {
        guard main.count >= 8 else { return nil }
        let xid: UInt32 =
            switch operation {
            case .commitPrepared, .abortPrepared: preparedXID(main) ?? 0
            default: bytes.field(4)
            }
        let isCommit = operation == .commit || operation == .commitPrepared
        return .transactionEnd(
            TransactionEnd(start: start, end: end, xid: xid, time: time(main), isCommit: isCommit)
        )
    }

    // The main data: the last part of a record without block references. Cut where `bytes` is.
    private func mainData() -> UnsafeRawBufferPointer? {
        var offset = Self.headerSize
        while offset + 5 <= bytes.count || offset + 2 <= bytes.count {
            let length: Int
            switch bytes[offset] {
            case 253:  // replication origin, 2 bytes
                offset += 3
                continue
            case 252:  // top transaction, 4 bytes
                offset += 5
                continue
            case 255:
                length = Int(bytes[offset + 1])
                offset += 2
            case 254:
                guard offset + 5 <= bytes.count else { return nil }
                length = Int(bytes.field(offset + 1, as: UInt32.self))
                offset += 5
            default: return nil
            }
            guard offset + length == total, offset <= bytes.count else { return nil }
            return bytes.part(offset, bytes.count)
        }
        return nil
    }

    // Behind the time come, each if its bit in xinfo says so: database (8 bytes), counted lists
    // of subtransactions (4 each), relation files (12), dropped statistics (15+: 12, 18: 16) and
    // invalidations (16), then the prepared transaction's id.
    private func preparedXID(_ main: UnsafeRawBufferPointer) -> UInt32? {
        let hasInfo: UInt8 = 0x80
        guard bytes[16] & hasInfo != 0, main.count >= 12 else { return nil }
        let info: UInt32 = main.field(8)
        var offset = 12
        if info & 1 != 0 { offset += 8 }
        let lists: [(bit: UInt32, size: Int)] = [
            (1 << 1, 4), (1 << 2, 12), (1 << 8, majorVersion >= 18 ? 16 : 12), (1 << 3, 16),
        ]
        for list in lists where info & list.bit != 0 {
            guard offset + 4 <= main.count else { return nil }
            offset += 4 + Int(main.field(offset, as: UInt32.self)) * list.size
        }
        guard info & 1 << 4 != 0, offset + 4 <= main.count else { return nil }
        return main.field(offset)
    }
}
