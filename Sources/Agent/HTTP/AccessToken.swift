import Domain
import Platform

/// The secret that a request shows as `Authorization: Bearer …`.
public struct AccessToken: Sendable {
    private let bytes: [UInt8]

    /// The fewest bytes of a token: what is shorter can be guessed.
    public static let bytesMin = 16
    private static let bytesMax = 4096

    /// Reads a token from a file: its content without the white space around it.
    ///
    /// Throws `.notFound` when the file is missing, `.refused` when others can read or change it,
    /// `.usage` when it holds no token.
    public init(file path: String) throws {
        guard let information = try FileSystem.info(path, followLinks: true) else {
            throw PgkeepError(
                .notFound,
                "token file \(path) is not there",
                hint: "make one: (umask 077; openssl rand -hex 32 > \(path))"
            )
        }
        guard information.kind != .file || information.mode & 0o027 == 0 else {
            throw PgkeepError(
                .refused,
                "token file \(path) can be read or changed by others",
                hint: "chmod 600 \(path)"
            )
        }
        let content = try FileSystem.readFile(path, limit: Self.bytesMax)
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0d).contains($0) }
        let found = content.drop(while: isSpace).reversed().drop(while: isSpace).reversed()
        bytes = Array(found)
        guard bytes.count >= Self.bytesMin, bytes.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw PgkeepError(
                .usage,
                "token file \(path) holds no token",
                hint: "a token is one word of at least \(Self.bytesMin) letters and digits"
            )
        }
    }

    /// True when an `Authorization` header shows this token.
    ///
    /// Takes the same time wherever the two differ.
    func opens(_ header: String?) -> Bool {
        let scheme = "bearer "
        guard let header, header.lowercased().hasPrefix(scheme) else { return false }
        let shown = Array(header.utf8.dropFirst(scheme.utf8.count))
        var difference = shown.count ^ bytes.count
        for index in bytes.indices {
            difference |= Int(bytes[index] ^ (index < shown.count ? shown[index] : 0))
        }
        return difference == 0
    }
}
