public import Platform

/// Runs UPLOAD_MANIFEST on a replication connection: tells the server which backup the next
/// incremental one in this session continues (17 and later).
public enum ManifestUpload {
    /// Uploads what `write` sends, in pieces of any size; returns when the server has accepted it.
    ///
    /// Throws `.sourceIncremental` when the server does not accept it, the token's error when that
    /// is cancelled, and what `write` throws. After any error the connection is of no more use.
    public static func run(
        on connection: Connection,
        cancellation token: CancellationToken,
        _ write: (_ send: @escaping (UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) throws {
        try token.check()
        try connection.send("UPLOAD_MANIFEST")
        do {
            try token.whileCancellable({ connection.cancel() }) {
                var conversation = ManifestUploadProtocol()
                while conversation.next != .nothing {
                    guard conversation.next == .send else {
                        try conversation.receive(connection.nextAnswer())
                        continue
                    }
                    try write { piece in
                        try token.check()
                        try connection.putCopy(piece)
                    }
                    try connection.endCopy()
                    conversation.sent()
                }
            }
        } catch {
            connection.close()
            try token.check()
            throw error
        }
    }
}
