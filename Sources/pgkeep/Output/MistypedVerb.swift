import ArgumentParser

/// A word that stands where a command's next word should, and is none.
///
/// The parser calls it an unexpected argument, together with all that follows.
struct MistypedVerb {
    /// What failed.
    let message: String
    /// The nearest word there is, or where to find all of them.
    let hint: String

    /// Nil when the parser's message is about something else.
    ///
    /// - Parameter path: the words that were understood, `pgkeep` first.
    init?(_ parserMessage: String, after path: [Substring]) {
        let quoted = parserMessage.split(separator: "'", omittingEmptySubsequences: false)
        guard parserMessage.lowercased().contains("unexpected argument"), quoted.count > 2,
            let verbs = Self.verbs(after: path)
        else { return nil }
        let word = String(quoted[1])
        let place = path.joined(separator: " ")
        message = "there is no command \"\(place) \(word)\""
        let near = verbs.min { Self.distance(word, $0) < Self.distance(word, $1) }
        if let near, Self.distance(word, near) <= max(1, word.count / 3) {
            hint = "did you mean \"\(place) \(near)\"? See \(place) --help for all"
        } else {
            hint = "see \(place) --help; it knows \(verbs.joined(separator: ", "))"
        }
    }

    /// The words that may follow; nil when none may.
    private static func verbs(after path: [Substring]) -> [String]? {
        var configuration = Pgkeep.configuration
        for word in path.dropFirst() {
            let known = subcommands(of: configuration)
            guard let next = known.first(where: { $0.commandName == String(word) }) else {
                return nil
            }
            configuration = next
        }
        let names = subcommands(of: configuration).compactMap { $0.commandName }
        return names.isEmpty ? nil : names
    }

    private static func subcommands(of parent: CommandConfiguration) -> [CommandConfiguration] {
        var found: [CommandConfiguration] = []
        for type in parent.subcommands { found.append(type.configuration) }
        return found
    }

    /// How many letters must be changed, added, left out or swapped with their neighbour.
    private static func distance(_ one: String, _ other: String) -> Int {
        let left = Array(one)
        let right = Array(other)
        var rows = [Array(0...right.count)]
        for i in left.indices {
            var row = [i + 1]
            for j in right.indices {
                let change = rows[i][j] + (left[i] == right[j] ? 0 : 1)
                var least = min(change, rows[i][j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                    least = min(least, rows[i - 1][j - 1] + 1)
                }
                row.append(least)
            }
            rows.append(row)
        }
        return rows[left.count][right.count]
    }
}
