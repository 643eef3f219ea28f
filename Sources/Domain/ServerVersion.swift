/// A PostgreSQL version, 10 or later: major and minor, for example 15.18.
public struct ServerVersion: Hashable, Comparable, Sendable, Codable, LosslessStringConvertible {
    /// The number of `server_version_num`, for example 150018.
    public var number: Int

    /// From `server_version_num` or PQserverVersion.
    public init(number: Int) { self.number = number }

    /// Parses `15.18`, `18` and what follows such numbers in `server_version` (`18beta1`,
    /// `15.18 (Debian …)`); nil for anything else.
    public init?(_ text: some StringProtocol) {
        let numeric = text.prefix { $0.isASCII && $0.isNumber || $0 == "." }
        let parts = numeric.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let major = Int(parts[0]), (10...999).contains(major)
        else { return nil }
        guard parts.count == 2 else {
            number = major * 10000
            return
        }
        guard let minor = Int(parts[1]), (0...9999).contains(minor) else { return nil }
        number = major * 10000 + minor
    }

    /// The major version: data directories and WAL of different ones are not compatible.
    public var major: Int { number / 10000 }

    /// The minor version.
    public var minor: Int { number % 10000 }

    /// `major.minor`.
    public var description: String { "\(major).\(minor)" }

    /// Orders by age.
    public static func < (left: ServerVersion, right: ServerVersion) -> Bool {
        left.number < right.number
    }

    /// Reads the text form.
    public init(from decoder: any Decoder) throws {
        self = try decodeText(decoder, "a PostgreSQL version")
    }

    /// Writes the text form.
    public func encode(to encoder: any Encoder) throws { try encodeText(self, encoder) }
}
