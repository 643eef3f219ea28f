/// The name of an object: segments of `A-Z a-z 0-9 . _ -` joined by `/`, at most 512 bytes.
///
/// Nothing that could leave a store's directory or be taken for a hidden file is a name: no empty
/// segment, none that begins with a dot, none longer than 200 bytes. The first segments `tmp` and
/// `reserve` belong to the stores themselves. Names order by their bytes.
public struct ObjectName: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The text, for example `c/00f1/rp/0199`.
    public let text: String

    /// The most bytes of a name.
    public static let bytesMax = 512
    /// The most bytes of one segment.
    public static let segmentBytesMax = 200

    /// A name the program made itself; an invalid one is a programmer's error.
    public init(_ text: String) {
        precondition(Self.isValid(text), "not an object name: \(text)")
        self.text = text
    }

    /// A name from outside; nil when it is none.
    public init?(validating text: String) {
        guard Self.isValid(text) else { return nil }
        self.text = text
    }

    /// The text.
    public var description: String { text }

    /// The segment behind the last `/`.
    public var lastSegment: Substring { text.split(separator: "/").last ?? Substring(text) }

    /// Orders by bytes.
    public static func < (left: ObjectName, right: ObjectName) -> Bool { left.text < right.text }

    private static func isValid(_ text: String) -> Bool {
        let bytes = text.utf8
        guard !bytes.isEmpty, bytes.count <= bytesMax else { return false }
        var length = 0
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "/"):
                guard length > 0 else { return false }
                length = 0
                continue
            case UInt8(ascii: "."):
                guard length > 0 else { return false }
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                break
            default: return false
            }
            length += 1
            guard length <= segmentBytesMax else { return false }
        }
        guard length > 0 else { return false }
        let first = text.prefix { $0 != "/" }
        return first != "tmp" && first != "reserve"
    }
}

extension ObjectName: ExpressibleByStringLiteral {
    /// A literal name; an invalid one is a programmer's error.
    public init(stringLiteral text: String) { self.init(text) }
}
