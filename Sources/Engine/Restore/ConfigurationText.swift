/// Reading and correcting the text of PostgreSQL's configuration files, line by line.
///
/// Only what a restore needs: the last value of a setting, and switching off settings that name
/// places of the source's host. Source of the syntax: PostgreSQL's guc-file.l (13–18): `name [=]
/// value`, `#` comments, values in single quotes with doubled quotes and backslash escapes.
public enum ConfigurationText {
    /// The value that counts for `name` in `text`: the last one, unquoted; nil when it is not set.
    public static func value(of name: String, in text: String) -> String? {
        var found: String?
        for line in text.split(whereSeparator: \.isNewline) {
            guard let (key, value) = setting(in: line), key == name.lowercased() else { continue }
            found = value
        }
        return found
    }

    /// `text` with every line that sets one of `names` turned into a comment saying why.
    public static func disabling(_ names: Set<String>, in text: String, why: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false)
            .map { line in
                guard let (key, _) = setting(in: line), names.contains(key) else {
                    return String(line)
                }
                return "#\(line)   # \(why)"
            }
            .joined(separator: "\n")
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

    private static func setting(in line: Substring) -> (name: String, value: String)? {
        let trimmed = line.drop { $0 == " " || $0 == "\t" }
        let name = trimmed.prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "." }
        guard let first = name.first, first.isLetter || first == "_" else { return nil }
        var rest = trimmed.dropFirst(name.count).drop { $0 == " " || $0 == "\t" }
        if rest.first == "=" { rest = rest.dropFirst().drop { $0 == " " || $0 == "\t" } }
        guard rest.first == "'" else {
            let bare = rest.prefix { $0 != "#" && $0 != " " && $0 != "\t" && $0 != "\r" }
            return (name.lowercased(), String(bare))
        }
        var value = ""
        var characters = rest.dropFirst()
        while let character = characters.first {
            characters = characters.dropFirst()
            if character == "'" {
                guard characters.first == "'" else { break }
                characters = characters.dropFirst()
            } else if character == "\\", let escaped = characters.first {
                characters = characters.dropFirst()
                value.append(escaped == "n" ? "\n" : escaped)
                continue
            }
            value.append(character)
        }
        return (name.lowercased(), value)
    }
}
