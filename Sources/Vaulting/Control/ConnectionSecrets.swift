public import Domain

/// Finds passwords in libpq connection strings, which must not be stored anywhere.
///
/// Understands both forms of PostgreSQL's documentation, section "Connection Strings": keyword and
/// value pairs with quotes and backslashes, and `postgresql://` URIs with percent encoding.
public enum ConnectionSecrets {
    private static let keywords: Set<String> = [
        "password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key",
    ]

    /// Throws `.refused`, without repeating the string, when it carries a secret.
    public static func refuse(in source: String) throws(PgkeepError) {
        guard let keyword = keyword(in: source) else { return }
        throw PgkeepError(
            .refused,
            "the connection string carries a \(keyword), which pgkeep does not store",
            hint: "leave it out and put it into ~/.pgpass (libpq's passfile), a service file, or"
                + " use a client certificate"
        )
    }

    /// The first keyword in `source` whose value is a secret, or nil.
    static func keyword(in source: String) -> String? {
        for scheme in ["postgresql://", "postgres://"] where source.hasPrefix(scheme) {
            return keyword(inURI: source.dropFirst(scheme.utf8.count))
        }
        return keyword(inPairs: Array(source.utf8))
    }

    private static func keyword(inURI rest: Substring) -> String? {
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        // As libpq reads it: user and password end at the first "@" before any slash.
        if let at = authority.firstIndex(of: "@"),
            let colon = authority[..<at].firstIndex(of: ":"),
            authority.index(after: colon) < at
        {
            return "password"
        }
        guard let question = rest.firstIndex(of: "?") else { return nil }
        for parameter in rest[rest.index(after: question)...].split(separator: "&") {
            let halves = parameter.split(
                separator: "=",
                maxSplits: 1,
                omittingEmptySubsequences: false
            )
            guard halves.count == 2, !halves[1].isEmpty else { continue }
            let name = decoded(halves[0])
            if keywords.contains(name) { return name }
        }
        return nil
    }

    private static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = Domain.bytes(ofHexadecimal: String(Substring(rest.prefix(2))))
            {
                bytes += value
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func keyword(inPairs bytes: [UInt8]) -> String? {
        let isSpace = { (byte: UInt8) in byte == 32 || (9...13).contains(byte) }
        var rest = bytes[...]
        while true {
            rest = rest.drop(while: isSpace)
            guard !rest.isEmpty else { return nil }
            let name = rest.prefix { !isSpace($0) && $0 != UInt8(ascii: "=") }
            rest = rest.dropFirst(name.count).drop(while: isSpace)
            // Not this form at all: libpq will say so.
            guard rest.popFirst() == UInt8(ascii: "=") else { return nil }
            rest = rest.drop(while: isSpace)
            let isQuoted = rest.first == UInt8(ascii: "'")
            if isQuoted { rest.removeFirst() }
            var length = 0
            while let byte = rest.first, isQuoted ? byte != UInt8(ascii: "'") : !isSpace(byte) {
                rest.removeFirst()
                if byte == UInt8(ascii: "\\"), !rest.isEmpty { rest.removeFirst() }
                length += 1
            }
            if isQuoted, !rest.isEmpty { rest.removeFirst() }
            let word = String(decoding: name, as: UTF8.self)
            if keywords.contains(word), length > 0 { return word }
        }
    }
}
