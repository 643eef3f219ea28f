public import Domain
import Sealing
public import Storage

/// The name of one WAL object: which segment of which system, and what form of it.
///
/// `c/<sys>/wal/<tli>/<segment>` with an ending by form: none for the whole segment,
/// `.<from>-<to>` for a part, `.journal.<id>` and `.alt.<id>` with the object id in 32 digits.
public struct WALObjectName: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// What an object holds of its segment.
    public enum Form: Hashable, Sendable {
        /// All of it, immutable.
        case sealed
        /// The first bytes, `length` of them, immutable: the end of a timeline or of a stream.
        case part(length: UInt32)
        /// The first bytes, still growing or left behind; 32 digits of the object id.
        case journal(String)
        /// Bytes that contradict the ones archived first, kept for the operator; object id.
        case alternate(String)
    }

    /// The system the WAL is of.
    public var systemIdentifier: SystemIdentifier
    /// The segment's file name, 24 upper-case hexadecimal digits.
    public var segment: String
    /// What the object holds.
    public var form: Form

    /// The name of a form of a segment; `segment` must be a segment's file name.
    public init(_ systemIdentifier: SystemIdentifier, segment: String, _ form: Form) {
        precondition(WALSegment.isName(segment))
        self.systemIdentifier = systemIdentifier
        self.segment = segment
        self.form = form
    }

    /// Parses an object's name; nil when it is no WAL object's.
    public init?(_ name: ObjectName) {
        let pieces = name.text.split(separator: "/", omittingEmptySubsequences: false)
        guard pieces.count == 5, pieces[0] == "c", pieces[2] == "wal",
            let system = SystemIdentifier(hex: pieces[1])
        else { return nil }
        let ending = pieces[4].dropFirst(24)
        let segment = String(pieces[4].prefix(24))
        guard WALSegment.isName(segment), pieces[3] == segment.prefix(8).lowercased(),
            let form = Form(ending: ending)
        else { return nil }
        self.init(system, segment: segment, form)
    }

    /// The prefix of all WAL objects of a system.
    public static func prefix(_ systemIdentifier: SystemIdentifier) -> String {
        "c/\(systemIdentifier.hex)/wal/"
    }

    /// The name of the whole segment; the headers of all its forms are bound to it, so that a
    /// journal can become the sealed segment without being written again.
    public var base: ObjectName {
        let timeline = segment.prefix(8).lowercased()
        return ObjectName("\(Self.prefix(systemIdentifier))\(timeline)/\(segment)")
    }

    /// The object's name in the store.
    public var object: ObjectName {
        switch form {
        case .sealed: base
        case .part(let length): ObjectName("\(base).00000000-\(VaultNames.hex8(length))")
        case .journal(let id): ObjectName("\(base).journal.\(id)")
        case .alternate(let id): ObjectName("\(base).alt.\(id)")
        }
    }

    /// A fresh name to keep other bytes of the same segment under.
    static func alternate(of name: WALObjectName) -> WALObjectName {
        WALObjectName(
            name.systemIdentifier,
            segment: name.segment,
            .alternate(hexadecimal(SecureRandom.bytes(16)))
        )
    }

    /// The timeline in the segment's name.
    public var timeline: TimelineID { TimelineID(segment.prefix(8), radix: 16) ?? 0 }

    /// The object's name.
    public var description: String { object.text }

    /// Orders by name.
    public static func < (left: WALObjectName, right: WALObjectName) -> Bool {
        left.object < right.object
    }
}

extension WALObjectName.Form {
    init?(ending: Substring) {
        if ending.isEmpty {
            self = .sealed
        } else if let id = Self.identifier(ending, behind: ".journal.") {
            self = .journal(id)
        } else if let id = Self.identifier(ending, behind: ".alt.") {
            self = .alternate(id)
        } else {
            let digits = ending.dropFirst(10)
            guard ending.hasPrefix(".00000000-"), digits.utf8.count == 8,
                let length = UInt32(digits, radix: 16), digits == VaultNames.hex8(length)
            else { return nil }
            self = .part(length: length)
        }
    }

    private static func identifier(_ ending: Substring, behind word: String) -> String? {
        guard ending.hasPrefix(word) else { return nil }
        let digits = ending.dropFirst(word.utf8.count)
        guard digits.utf8.count == 32,
            digits.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) })
        else { return nil }
        return String(digits)
    }
}
