import Domain

// Cuts pushed JSON text into tokens, a byte at a time, holding no more than one token. Manifests
// list millions of files, which no tree of values should have to hold.
struct JSONLexer {
    enum Token: Equatable {
        case beginObject, endObject, beginArray, endArray, colon, comma
        // The value is in `text`: unescaped bytes, or the digits.
        case string, number
    }

    private enum State {
        case between, string, escape, number
        case unicode(digits: Int)
    }

    // A path of 4096 bytes printed as hexadecimal, and then some.
    static let longestToken = 64 << 10

    private(set) var text: [UInt8] = []
    private var state = State.between
    private var unicode: UInt32 = 0
    private var surrogate: UInt32?

    var isBetweenTokens: Bool {
        if case .between = state { return true }
        return false
    }

    // Reports each token as soon as it is complete; `text` is valid during the call.
    mutating func feed(
        _ bytes: UnsafeRawBufferPointer,
        _ handle: (Token, [UInt8]) throws -> Void
    ) throws {
        for byte in bytes {
            switch state {
            case .between:
                try begin(byte, handle)
            case .number:
                if (0x30...0x39).contains(byte) {
                    try append(byte)
                } else {
                    state = .between
                    try handle(.number, text)
                    try begin(byte, handle)
                }
            case .string:
                try string(byte, handle)
            case .escape:
                try escaped(byte)
            case .unicode(let digits):
                try unicodeDigit(byte, digits)
            }
        }
    }

    private mutating func begin(
        _ byte: UInt8,
        _ handle: (Token, [UInt8]) throws -> Void
    ) throws {
        switch byte {
        case 0x20, 0x09, 0x0a, 0x0d: return
        case UInt8(ascii: "{"): try handle(.beginObject, [])
        case UInt8(ascii: "}"): try handle(.endObject, [])
        case UInt8(ascii: "["): try handle(.beginArray, [])
        case UInt8(ascii: "]"): try handle(.endArray, [])
        case UInt8(ascii: ":"): try handle(.colon, [])
        case UInt8(ascii: ","): try handle(.comma, [])
        case UInt8(ascii: "\""):
            text.removeAll(keepingCapacity: true)
            state = .string
        case UInt8(ascii: "0")...UInt8(ascii: "9"):
            text.removeAll(keepingCapacity: true)
            state = .number
            try append(byte)
        default:
            throw BackupManifest.broken("byte \(byte) where a value must begin")
        }
    }

    private mutating func string(
        _ byte: UInt8,
        _ handle: (Token, [UInt8]) throws -> Void
    ) throws {
        switch byte {
        case UInt8(ascii: "\""):
            guard surrogate == nil else { throw BackupManifest.broken("half a surrogate pair") }
            state = .between
            try handle(.string, text)
        case UInt8(ascii: "\\"): state = .escape
        case 0..<0x20: throw BackupManifest.broken("a control character in a string")
        default:
            guard surrogate == nil else { throw BackupManifest.broken("half a surrogate pair") }
            try append(byte)
        }
    }

    private mutating func escaped(_ byte: UInt8) throws {
        if byte == UInt8(ascii: "u") {
            unicode = 0
            state = .unicode(digits: 0)
            return
        }
        let plain: UInt8? =
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): byte
            case UInt8(ascii: "b"): 0x08
            case UInt8(ascii: "f"): 0x0c
            case UInt8(ascii: "n"): 0x0a
            case UInt8(ascii: "r"): 0x0d
            case UInt8(ascii: "t"): 0x09
            default: nil
            }
        guard let plain, surrogate == nil else { throw BackupManifest.broken("a bad escape") }
        state = .string
        try append(plain)
    }

    private mutating func unicodeDigit(_ byte: UInt8, _ digits: Int) throws {
        guard let digit = Hex.value(byte) else { throw BackupManifest.broken("a bad escape") }
        unicode = unicode << 4 | UInt32(digit)
        guard digits == 3 else {
            state = .unicode(digits: digits + 1)
            return
        }
        state = .string
        var scalar = unicode
        if let high = surrogate {
            guard (0xDC00..<0xE000).contains(unicode) else {
                throw BackupManifest.broken("half a surrogate pair")
            }
            scalar = 0x10000 + (high - 0xD800) << 10 + (unicode - 0xDC00)
            surrogate = nil
        } else if (0xD800..<0xDC00).contains(unicode) {
            surrogate = unicode
            return
        }
        guard let value = Unicode.Scalar(scalar) else {
            throw BackupManifest.broken("a bad escape")
        }
        for byte in UTF8.encode(value) ?? .init() { try append(byte) }
    }

    private mutating func append(_ byte: UInt8) throws {
        guard text.count < Self.longestToken else {
            throw BackupManifest.broken("a value of more than \(Self.longestToken) bytes")
        }
        text.append(byte)
    }
}
