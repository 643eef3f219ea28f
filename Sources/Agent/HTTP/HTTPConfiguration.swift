public import Domain

/// What the HTTP interface is told: where to listen, whom to let in, and its limits.
public struct HTTPConfiguration: Sendable {
    /// Where it listens.
    public let address: HTTPAddress
    /// What a request must show; nil lets everybody in who reaches the address.
    public let token: AccessToken?
    /// The mode of a socket in the file system: 0600, or 0660 to let a group in.
    public let socketMode: UInt32

    /// Connections at a time; more wait.
    static let connectionsMax = 64
    /// Bytes of all headers of a request, and of one of them.
    static let headerBytesMax = 16 << 10
    /// Bytes of a request's body.
    static let bodyBytesMax = 4 << 10

    /// Checks what is given.
    ///
    /// Throws `.refused` for an address that others reach when there is no token.
    public init(
        address: HTTPAddress = .standard,
        token: AccessToken? = nil,
        socketMode: UInt32 = 0o600
    ) throws(PgkeepError) {
        guard token != nil || address.isLocal else {
            throw PgkeepError(
                .refused,
                "\(address) is open to other hosts, and no token is asked for",
                hint: "give --token-file FILE, or listen on 127.0.0.1"
            )
        }
        self.address = address
        self.token = token
        self.socketMode = socketMode
    }
}
