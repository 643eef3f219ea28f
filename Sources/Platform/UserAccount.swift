public import Domain
internal import Glibc

/// A user of this system: whom a restored directory belongs to and whom its server runs as.
public struct UserAccount: Hashable, Sendable {
    /// The login name.
    public var name: String
    /// The user's number.
    public var user: UInt32
    /// The number of the user's own group.
    public var group: UInt32

    /// The account called `name`; nil when there is none.
    public init?(named name: String) {
        guard let entry = getpwnam(name) else { return nil }
        self.init(entry.pointee)
    }

    private init(_ entry: passwd) {
        name = String(cString: entry.pw_name)
        user = entry.pw_uid
        group = entry.pw_gid
    }

    /// The account this process runs as.
    public static var current: UserAccount {
        let number = geteuid()
        if let entry = getpwuid(number) { return UserAccount(entry.pointee) }
        return UserAccount(name: String(number), user: number, group: getegid())
    }

    private init(name: String, user: UInt32, group: UInt32) {
        self.name = name
        self.user = user
        self.group = group
    }

    /// True for the superuser, whom PostgreSQL refuses to run as.
    public var isRoot: Bool { user == 0 }

    /// Gives a file or directory to this account; links are not followed.
    public func takeOwnership(of path: String) throws(PgkeepError) {
        try takeOwnership(of: RawPath(path))
    }

    /// Gives a file or directory to this account; links are not followed.
    public func takeOwnership(of path: RawPath) throws(PgkeepError) {
        guard path.withCString({ lchown($0, user, group) }) == 0 else {
            throw .system("change the owner of", path.text)
        }
    }
}
