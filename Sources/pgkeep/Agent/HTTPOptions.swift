import Agent
import ArgumentParser
import Domain
import Platform

/// Where and how the agent serves metrics and health.
struct HTTPOptions: ParsableArguments {
    /// The keys of the config file's section; each stands for the option of its name.
    static let keys = ["listen", "token_file", "socket_mode"]

    @Option(
        help: ArgumentHelp(
            "Serve metrics, health and the read API there (default: \(HTTPAddress.standard)).",
            discussion: """
                Beyond this host only with --token-file. A socket unix:/PATH is for the agent's \
                own user unless --socket-mode lets its group in.
                """,
            valueName: "host:port|unix:/path"
        )
    )
    var listen: String?

    @Flag(name: .customLong("no-http"), help: "Serve nothing.")
    var isOff = false

    @Option(
        help: ArgumentHelp(
            "The file with the token that requests must show, but for /healthz.",
            valueName: "file"
        ),
        completion: .file()
    )
    var tokenFile: String?

    @Option(
        help: ArgumentHelp(
            "The mode of the socket unix:/PATH (default: 0600).",
            valueName: "0600|0660"
        )
    )
    var socketMode: String?

    /// What the options say, and for those not given the config file's section; nil for nothing.
    ///
    /// `listen: none` in the config file stands for `--no-http`.
    func configuration(_ section: [String: [String]]) throws -> HTTPConfiguration? {
        guard !isOff || listen == nil else {
            throw PgkeepError(
                .usage,
                "--listen and --no-http are both given",
                hint: "leave one out"
            )
        }
        let address = listen ?? section["listen"]?.last
        guard !isOff, address != "none" else { return nil }
        let token = tokenFile ?? section["token_file"]?.last
        return try HTTPConfiguration(
            address: address.map { try HTTPAddress(checking: $0) } ?? .standard,
            token: token.map { try AccessToken(file: FileSystem.absolute($0)) },
            socketMode: try mode(socketMode ?? section["socket_mode"]?.last)
        )
    }

    private func mode(_ text: String?) throws(PgkeepError) -> UInt32 {
        switch text {
        case nil, "0600", "600": return 0o600
        case "0660", "660": return 0o660
        case let text?:
            throw PgkeepError(
                .usage,
                "--socket-mode \(text) is no mode of a socket",
                hint: "give 0600 for the agent's user, 0660 for its group, too"
            )
        }
    }
}
