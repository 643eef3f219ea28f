public import Domain
public import Platform
import Sealing
import Storage

/// The vault's activity log, `a/<number>`: append-only, each entry bound to the one before.
///
/// An entry is put-if-absent under the next number, so of any number of writers each finds a place
/// of its own. As every entry carries the digest of the one before it, none can be changed, moved
/// or taken out of the middle; that the last ones are there only a `Head` noted elsewhere can tell.
public struct ActivityLog: Sendable {
    /// The newest entry: its number, and its digest in hexadecimal digits.
    public struct Head: Hashable, Sendable, Encodable, LosslessStringConvertible {
        /// Entries in the log.
        public var number: UInt64
        /// SHA-256 of the newest; 64 zeros for an empty log.
        public var digest: String

        init(number: UInt64, digest: String) {
            self.number = number
            self.digest = digest
        }

        /// Reads `number:digest`.
        public init?(_ text: String) {
            let parts = text.lowercased().split(separator: ":")
            guard parts.count == 2, let number = UInt64(parts[0]), parts[1].utf8.count == 64,
                Domain.bytes(ofHexadecimal: String(parts[1])) != nil
            else { return nil }
            self.init(number: number, digest: String(parts[1]))
        }

        /// `number:digest`.
        public var description: String { "\(number):\(digest)" }
    }

    private let vault: Vault
    private let clock: any Clock

    /// Rounds of a race for the next number.
    private static let attemptsMax = 64

    /// The log of `vault`.
    public init(_ vault: Vault, _ clock: any Clock = SystemClock()) {
        self.vault = vault
        self.clock = clock
    }

    /// Who acts: `user@host` of this process.
    public static var actor: String {
        "\(UserAccount.current.name)@\(ProcessIdentity.current().host)"
    }

    /// Adds an entry; durable on return, also on a full disk that has its reserve.
    ///
    /// Secrets have no place in it: passwords in connection strings are taken out all the same.
    @discardableResult
    public func append(
        action: String,
        instance: InstanceName? = nil,
        details: [String: String] = [:],
        reason: String? = nil,
        comment: String? = nil
    ) throws -> ActivityEntry {
        for _ in 0..<Self.attemptsMax {
            let last = try lastNumber()
            let entry = ActivityEntry(
                number: last + 1,
                at: clock.now,
                actor: Self.actor,
                action: action,
                instance: instance,
                details: details.mapValues(Redaction.withoutPasswords),
                reason: reason,
                comment: comment.map(Redaction.withoutPasswords),
                previous: try digest(of: last)
            )
            if try put(entry) { return entry }
        }
        throw PgkeepError(
            .busy,
            "many others are writing to the activity log",
            hint: "run the command again"
        )
    }

    /// A damaged entry is for `verify` to tell of; it must not keep people from acting.
    private func digest(of number: UInt64) throws -> String {
        guard number > 0 else { return ActivityEntry.origin }
        do {
            return Self.digest(try content(number))
        } catch let error as PgkeepError where error.isDamage {
            return "damaged"
        }
    }

    private func put(_ entry: ActivityEntry) throws -> Bool {
        let name = VaultNames.activity(entry.number)
        let bytes = try Sealed.encode(
            vault,
            name,
            kind: .activity,
            system: nil,
            frames: [(kind: .info, bytes: try ControlJSON.encode(entry))]
        )
        do {
            return try vault.store.putIfAbsent(name, bytes)
        } catch let error as PgkeepError where error.code == .storeFull {
            // What frees space is written down first: the reserve is for that.
            guard try vault.store.releaseReserve() else { throw error }
            return try vault.store.putIfAbsent(name, bytes)
        }
    }

    // MARK: - Reading

    /// The entries from `moment` on (nil: all), oldest first. Throws when one is damaged.
    public func list(since moment: Timestamp? = nil) throws -> [ActivityEntry] {
        var entries: [ActivityEntry] = []
        for number in try numbers().reversed() {
            let entry = try decode(try content(number), number)
            // Clocks of hosts differ, so one entry before the moment does not end the search; a day
            // of such entries does.
            if let moment, entry.at.adding(seconds: 86400) < moment { break }
            if moment.map({ entry.at >= $0 }) ?? true { entries.append(entry) }
        }
        return entries.reversed()
    }

    /// The number of the newest entry; 0 for an empty log.
    public func head() throws -> UInt64 { try lastNumber() }

    /// At most `limit` entries behind `number`, oldest first, by their numbers; nil for one that
    /// cannot be read.
    public func entries(
        after number: UInt64,
        limit: Int
    ) throws -> [(number: UInt64, entry: ActivityEntry?)] {
        try numbers().filter { $0 > number }.prefix(limit).map { next in
            do {
                return (next, try decode(try content(next), next))
            } catch let error as PgkeepError where error.isDamage {
                return (next, nil)
            }
        }
    }

    /// Looks whether every entry is there, whole, and bound to the one before it.
    ///
    /// - Parameter known: a head noted earlier; the log must still have that very entry.
    /// - Returns: the head now.
    /// - Throws: `.integrity`, naming the entry.
    public func verify(known: Head? = nil) throws -> Head {
        var head = Head(number: 0, digest: ActivityEntry.origin)
        var isKnown = known == nil || known == head
        for number in try numbers() {
            guard number == head.number + 1 else {
                throw Self.broken("entry \(head.number + 1) is missing")
            }
            let bytes = try content(number)
            let entry = try decode(bytes, number)
            guard entry.previous == head.digest else {
                throw Self.broken("entry \(number) does not follow entry \(head.number)")
            }
            head = Head(number: number, digest: Self.digest(bytes))
            if head == known { isKnown = true }
        }
        guard isKnown else {
            throw Self.broken("it has no entry \(known?.description ?? "")")
        }
        return head
    }

    private static func broken(_ what: String) -> PgkeepError {
        PgkeepError(
            .integrity,
            "the activity log is not what was written: \(what)",
            hint: "somebody with access to the store has changed it; compare with a copy"
        )
    }

    private func numbers() throws -> [UInt64] {
        try vault.store.list(prefix: VaultNames.activityPrefix).map { information in
            guard case .activity(let number) = ObjectPlace(information.name) else {
                throw PgkeepError.damaged(information.name, "it is not named like an entry")
            }
            return number
        }
    }

    private func lastNumber() throws -> UInt64 { try numbers().last ?? 0 }

    private func content(_ number: UInt64) throws -> [UInt8] {
        let name = VaultNames.activity(number)
        guard let content = try vault.readInfo(name, kind: .activity, system: nil) else {
            throw Self.broken("entry \(number) is missing")
        }
        return content
    }

    private func decode(_ content: [UInt8], _ number: UInt64) throws -> ActivityEntry {
        let subject = "entry \(number) of the activity log"
        let entry = try ControlJSON.decode(ActivityEntry.self, content, subject)
        guard entry.number == number else { throw Self.broken("\(subject) is another") }
        return entry
    }

    private static func digest(_ content: [UInt8]) -> String {
        var sha = SHA256()
        content.withUnsafeBytes { sha.update($0) }
        return hexadecimal(sha.finish())
    }
}
