internal import CPostgres
public import Domain

/// Where and how to connect: a libpq connection string (`key=value …` or URI), taken apart.
///
/// The full text is only handed to libpq; what may be shown or stored is `redacted` and
/// `withoutPassword`.
public struct ConnectionSettings: Sendable, CustomStringConvertible {
    /// The string as given; may hold a password.
    let conninfo: String
    /// Its options in libpq's order, without unset ones.
    private let options: [(name: String, value: String)]
    /// libpq's value for each option nobody set in the string: environment or built-in default.
    private let defaults: [String: String]

    private static let secrets: Set<String> = ["password", "sslpassword", "oauth_client_secret"]

    /// Takes a connection string apart; `.usage` when libpq cannot read it.
    public init(_ conninfo: String) throws(PgkeepError) {
        try Libpq.load()
        self.conninfo = conninfo
        var reason: UnsafeMutablePointer<CChar>?
        guard let parsed = PQconninfoParse(conninfo, &reason) else {
            let text = reason.map { oneLine(String(cString: $0)) } ?? "out of memory"
            PQfreemem(reason)
            // libpq quotes the place it stumbled over, which may be a piece of a password.
            let shown = conninfo.contains("pass") || conninfo.contains("@") ? "" : ": \(text)"
            throw PgkeepError(
                .usage,
                "the connection string cannot be read\(shown)",
                hint: "write it as \"host=… port=… user=…\" or postgresql://user@host:port/"
            )
        }
        options = Self.values(parsed)
        PQconninfoFree(parsed)
        if let parsed = PQconndefaults() {
            defaults = Dictionary(Self.values(parsed)) { first, _ in first }
            PQconninfoFree(parsed)
        } else {
            defaults = [:]
        }
    }

    private static func values(
        _ options: UnsafeMutablePointer<PQconninfoOption>
    ) -> [(name: String, value: String)] {
        var values: [(String, String)] = []
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val {
                values.append((String(cString: keyword), String(cString: value)))
            }
            option += 1
        }
        return values
    }

    /// The value an option has in the string itself.
    public func value(_ option: String) -> String? {
        options.first { $0.name == option }?.value
    }

    /// The value libpq will use: from the string, else environment or built-in default.
    ///
    /// A service file may still change it.
    public func effective(_ option: String) -> String? { value(option) ?? defaults[option] }

    /// True when the string itself holds a password.
    public var hasPassword: Bool { options.contains { Self.secrets.contains($0.name) } }

    /// The string as `key=value` without passwords: this may be stored.
    public var withoutPassword: String {
        options.filter { !Self.secrets.contains($0.name) }
            .map { "\($0.name)=\(Self.quoted($0.value))" }.joined(separator: " ")
    }

    /// These settings, leading to one host alone.
    ///
    /// - Parameters:
    ///   - host: as libpq names it: a host's name, or the directory of a socket.
    ///   - address: the address it had; empty for a socket.
    func leading(
        toHost host: String,
        address: String,
        port: String
    ) throws(PgkeepError) -> ConnectionSettings {
        let places = [("host", host), ("hostaddr", address), ("port", port)]
        let names: Set = ["host", "hostaddr", "port"]
        let others = options.filter { !names.contains($0.name) }.map { ($0.name, $0.value) }
        return try ConnectionSettings(
            (places.filter { !$0.1.isEmpty } + others)
                .map { "\($0.0)=\(Self.quoted($0.1))" }.joined(separator: " ")
        )
    }

    /// The string as `key=value` with passwords blotted out: this may be shown.
    public var redacted: String {
        options.map { option in
            let isSecret = Self.secrets.contains(option.name)
            return "\(option.name)=\(isSecret ? "********" : Self.quoted(option.value))"
        }.joined(separator: " ")
    }

    /// The redacted string.
    public var description: String { redacted }

    /// The role that will log in.
    public var user: String { effective("user") ?? "postgres" }

    private static func quoted(_ value: String) -> String {
        let plain = value.utf8.allSatisfy { byte in
            byte > 32 && byte != UInt8(ascii: "'") && byte != UInt8(ascii: "\\")
        }
        guard !plain || value.isEmpty else { return value }
        let escaped = value.map { $0 == "'" || $0 == "\\" ? "\\\($0)" : String($0) }
        return "'\(escaped.joined())'"
    }
}
