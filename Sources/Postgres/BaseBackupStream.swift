internal import Domain
public import Platform

/// Who takes a base backup in.
///
/// All calls come on the thread that runs the backup, in order; a thrown error ends the backup.
public protocol BaseBackupHandler: AnyObject {
    /// The server has begun; comes once, first.
    func begin(_ start: BaseBackupStart) throws
    /// The next archive begins; nil is the main data directory, which comes last.
    func archive(_ tablespace: BaseBackupStart.Tablespace?) throws
    /// Bytes of the current archive's tar stream, cut anywhere.
    ///
    /// They are libpq's and die with the call. Up to 14 a tar stream comes without the two zero
    /// blocks at its end.
    func data(_ bytes: UnsafeRawBufferPointer) throws
    /// Bytes of the backup_manifest, after all archives.
    ///
    /// They die with the call.
    func manifest(_ bytes: UnsafeRawBufferPointer) throws
    /// Bytes done in all archives as the server counts them, about once a second (15 and later).
    func progress(_ bytes: UInt64) throws
}

/// Runs BASE_BACKUP on a replication connection.
///
/// Not reading is the back-pressure: while the handler blocks, so does the server. Use a fresh
/// connection for each backup.
public enum BaseBackupStream {
    /// Takes one backup; returns when the server has confirmed it.
    ///
    /// Cancelling the token makes the server stop, and this throw the token's error. After any
    /// error the connection is of no more use.
    public static func run(
        on connection: Connection,
        _ options: BaseBackupOptions,
        handler: any BaseBackupHandler,
        cancellation token: CancellationToken
    ) throws -> BaseBackupEnd {
        try token.check()
        _ = connection.takeNotices()
        try connection.send(options.command(for: connection.serverVersion))
        do {
            return try token.whileCancellable({ connection.cancel() }) {
                try converse(connection, isIncremental: options.isIncremental, handler, token)
            }
        } catch {
            // When it was not the server that gave up, it must not go on sending to nobody.
            if (error as? PgkeepError)?.postgres == nil { connection.cancel() }
            connection.close()
            try token.check()
            throw error
        }
    }

    private static func converse(
        _ connection: Connection,
        isIncremental: Bool,
        _ handler: any BaseBackupHandler,
        _ token: CancellationToken
    ) throws -> BaseBackupEnd {
        var conversation = BaseBackupProtocol(
            version: connection.serverVersion,
            isIncremental: isIncremental
        )
        while true {
            switch conversation.next {
            case .answer:
                try pass(try conversation.receive(connection.nextAnswer()), to: handler)
            case .copy:
                let read = try connection.readCopy(wait: true) { message in
                    try pass(try conversation.receive(copy: message), to: handler)
                }
                if read == .ended { try conversation.copyEnded() }
                try token.check()
            case .nothing:
                guard var end = conversation.result else {
                    preconditionFailure("a complete backup has a result")
                }
                end.notices = connection.takeNotices()
                return end
            }
        }
    }

    @inline(__always)
    private static func pass(
        _ event: BaseBackupProtocol.Event,
        to handler: any BaseBackupHandler
    ) throws {
        switch event {
        case .data(let bytes): try handler.data(bytes)
        case .manifest(let bytes): try handler.manifest(bytes)
        case .begin(let start): try handler.begin(start)
        case .archive(let tablespace): try handler.archive(tablespace)
        case .progress(let bytes): try handler.progress(bytes)
        case .manifestBegins, .none: break
        }
    }
}
