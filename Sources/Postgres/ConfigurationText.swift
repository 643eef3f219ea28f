/// Reading and correcting the text of PostgreSQL's configuration files, line by line.
///
/// Only what a restore needs: the last value of a setting, and changing or switching off lines that
/// name places of the source's host. Works on bytes: comments and values may be in any encoding,
/// and lines may end as Windows ends them. Source of the syntax: PostgreSQL's guc-file.l (13–18):
/// `name [=] value`, `#` comments, values in single quotes with doubled quotes and backslashes.
public enum ConfigurationText {
    /// What becomes of a line that sets something.
    public enum Change: Equatable, Sendable {
        /// It stays.
        case keep
        /// It becomes a comment that says why.
        case disable(why: String)
        /// It becomes a comment, and a line with this value follows it.
        case replace(value: String, why: String)
    }

    private static let newline = UInt8(ascii: "\n")
    private static let quote = UInt8(ascii: "'")
    private static let backslash = UInt8(ascii: "\\")

    /// The value that counts for `name` in `text`: the last one, unquoted; nil when it is not set.
    public static func value(of name: String, in text: [UInt8]) -> String? {
        settings(in: text).last { $0.name == name.lowercased() }?.value
    }

    /// All lines that set something, in order: names in lower case, values unquoted.
    public static func settings(in text: [UInt8]) -> [(name: String, value: String)] {
        text.split(separator: newline).compactMap(setting)
    }

    /// `text` with each line that sets something changed as `change` says; it is given the name, in
    /// lower case, and the unquoted value.
    public static func changing(
        _ text: [UInt8],
        _ change: (_ name: String, _ value: String) throws -> Change
    ) rethrows -> [UInt8] {
        var lines: [[UInt8]] = []
        for line in text.split(separator: newline, omittingEmptySubsequences: false) {
            guard let (name, value) = setting(in: line) else {
                lines.append(Array(line))
                continue
            }
            switch try change(name, value) {
            case .keep: lines.append(Array(line))
            case .disable(let why): lines.append(disabled(line, why))
            case .replace(let value, let why):
                lines.append(disabled(line, why))
                lines.append(Array("\(name) = \(quoted(value))".utf8))
            }
        }
        return Array(lines.joined(separator: [newline]))
    }

    /// `text` with every line that sets one of `names` turned into a comment saying why.
    public static func disabling(_ names: Set<String>, in text: [UInt8], why: String) -> [UInt8] {
        changing(text) { name, _ in names.contains(name) ? .disable(why: why) : .keep }
    }

    /// A value as a quoted string of a configuration file.
    public static func quoted(_ value: String) -> String {
        var text = "'"
        for character in value {
            switch character {
            case "'": text += "''"
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            default: text.append(character)
            }
        }
        return text + "'"
    }

    /// An argument as one word of a shell command.
    public static func shellWord(_ argument: String) -> String {
        "'"
            + argument.split(separator: "'", omittingEmptySubsequences: false)
            .joined(separator: "'\\''") + "'"
    }

    private static func disabled(_ line: ArraySlice<UInt8>, _ why: String) -> [UInt8] {
        let text = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
        return [UInt8(ascii: "#")] + text + Array("   # \(why)".utf8)
    }

    private static func isBlank(_ byte: UInt8) -> Bool { [9, 12, 13, 32].contains(byte) }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (65...90).contains(byte) || (97...122).contains(byte) || byte == UInt8(ascii: "_")
            || byte >= 128
    }

    private static func setting(in line: ArraySlice<UInt8>) -> (name: String, value: String)? {
        let trimmed = line.drop(while: isBlank)
        let name = trimmed.prefix {
            isLetter($0) || (48...57).contains($0) || $0 == UInt8(ascii: ".")
        }
        guard let first = name.first, isLetter(first) else { return nil }
        var rest = trimmed.dropFirst(name.count).drop(while: isBlank)
        if rest.first == UInt8(ascii: "=") { rest = rest.dropFirst().drop(while: isBlank) }
        let value =
            rest.first == quote
            ? unquoted(rest.dropFirst())
            : Array(rest.prefix { $0 != UInt8(ascii: "#") && !isBlank($0) })
        return (
            String(decoding: name, as: UTF8.self).lowercased(),
            String(decoding: value, as: UTF8.self)
        )
    }

    /// What stands before the closing quote.
    private static func unquoted(_ text: ArraySlice<UInt8>) -> [UInt8] {
        let escapes: [UInt8: UInt8] = [98: 8, 102: 12, 110: 10, 114: 13, 116: 9]
        var value: [UInt8] = []
        var rest = text
        while let byte = rest.popFirst() {
            if byte == quote {
                guard rest.first == quote else { break }
                rest = rest.dropFirst()
                value.append(quote)
            } else if byte == backslash, let escaped = rest.popFirst() {
                value.append(escapes[escaped] ?? escaped)
            } else {
                value.append(byte)
            }
        }
        return value
    }
}
