/// Limits that keep a file readable: lines of a file and of a function, columns of a line.
enum LengthRule {
    static let fileLinesMax = 400
    static let functionLinesMax = 70
    static let columnsMax = 100

    static func check(_ source: SourceText) -> [SourceText.Violation] {
        var found: [SourceText.Violation] = []
        let count = source.lines.count - (source.lines.last?.isEmpty == true ? 1 : 0)
        if count > fileLinesMax {
            found.append(source.violation(count - 1, "\(count) lines, at most \(fileLinesMax)"))
        }
        for (index, line) in source.lines.enumerated() where line.count > columnsMax {
            found.append(source.violation(index, "\(line.count) columns, at most \(columnsMax)"))
        }
        for function in functions(source) where function.lines > functionLinesMax {
            found.append(
                source.violation(
                    function.start,
                    "a function of \(function.lines) lines, at most "
                        + "\(functionLinesMax)"
                )
            )
        }
        return found
    }

    /// The functions with a body: first line from zero, and lines up to the closing brace.
    static func functions(_ source: SourceText) -> [(start: Int, lines: Int)] {
        source.code.indices.compactMap { index in
            guard startsFunction(source.code[index]),
                let end = endOfBody(source.code, from: index)
            else { return nil }
            return (index, end - index + 1)
        }
    }

    private static let modifiers: Set<String> = [
        "public", "package", "internal", "fileprivate", "private", "static", "class", "final",
        "override", "mutating", "nonmutating", "convenience", "required", "nonisolated",
        "borrowing", "consuming", "Test", "inline", "__always", "never", "inlinable",
        "usableFromInline", "discardableResult", "Sendable",
    ]

    private static func startsFunction(_ line: String) -> Bool {
        let words = SourceText.words(line.prefix { $0 != "(" && $0 != "<" && $0 != "{" })
        let inlined = line.contains("@inline(") ? SourceText.words(line) : words
        guard let first = inlined.first(where: { !modifiers.contains($0) }) else { return false }
        return ["func", "init", "deinit"].contains(first)
    }

    /// The line of the brace that closes the body; nil for a requirement without one.
    private static func endOfBody(_ code: [String], from start: Int) -> Int? {
        var parentheses = 0
        var braces = 0
        for index in code.indices[start...] {
            if index > start, braces == 0, parentheses == 0, beginsAnother(code[index]) {
                return nil
            }
            for character in code[index] {
                switch character {
                case "(", "[": parentheses += 1
                case ")", "]": parentheses -= 1
                case "{" where braces > 0 || parentheses == 0: braces += 1
                case "}" where braces > 0:
                    braces -= 1
                    if braces == 0 { return index }
                case "}" where parentheses == 0: return nil
                default: break
                }
            }
        }
        return nil
    }

    private static func beginsAnother(_ line: String) -> Bool {
        if startsFunction(line) { return true }
        let first = SourceText.words(line).first { !modifiers.contains($0) }
        return ["var", "let", "case", "associatedtype", "struct", "enum"].contains(first)
    }
}
