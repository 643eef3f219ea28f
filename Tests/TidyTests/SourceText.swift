import Domain
import Platform

/// One Swift file, taken apart far enough for the rules: lines, code without comments and string
/// contents, and the comments alone. Both keep the line numbers.
struct SourceText {
    /// The path from the package root, for example `Sources/Domain/LSN.swift`.
    let path: String
    /// The lines as they are.
    let lines: [Substring]
    /// The lines with comments, string contents and raw identifiers blanked.
    let code: [String]
    /// The comments of each line.
    let comments: [String]

    /// A complaint: where and what.
    struct Violation: Equatable, CustomStringConvertible {
        let path: String
        let line: Int
        let message: String
        var description: String { "\(path):\(line): \(message)" }
    }

    init(path: String, text: String) {
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        var lexer = Lexer(text)
        lexer.run()
        code = lexer.code
        comments = lexer.comments
    }

    /// The target the file belongs to: the second part of its path.
    var target: String {
        let parts = path.split(separator: "/")
        return parts.count > 2 ? String(parts[1]) : ""
    }

    /// True below Tests.
    var isTest: Bool { path.hasPrefix("Tests/") }

    /// A complaint about line `index`, counted from zero.
    func violation(_ index: Int, _ message: String) -> Violation {
        Violation(path: path, line: index + 1, message: message)
    }

    /// The identifiers and keywords of a text.
    static func words(_ text: some StringProtocol) -> [String] {
        let parts: [Substring] = Substring(text).split { character in
            !(character.isLetter || character.isNumber || character == "_")
        }
        return parts.map(String.init)
    }

    /// All Swift files below Sources and Tests, and the manifest.
    static func ofPackage(root: String) throws -> [SourceText] {
        var found: [SourceText] = []
        func walk(_ path: String) throws {
            for name in try FileSystem.list(root + "/" + path) ?? [] where !name.hasPrefix(".") {
                let inside = path + "/" + name
                if try FileSystem.info(root + "/" + inside)?.kind == .directory {
                    try walk(inside)
                } else if name.hasSuffix(".swift") {
                    found.append(try read(inside, root: root))
                }
            }
        }
        try walk("Sources")
        try walk("Tests")
        return found + [try read("Package.swift", root: root)]
    }

    private static func read(_ path: String, root: String) throws -> SourceText {
        let bytes = try FileSystem.readFile(root + "/" + path)
        return SourceText(path: path, text: String(decoding: bytes, as: UTF8.self))
    }
}

/// Tells code, comments and strings apart; knows nested comments, raw and multi-line strings,
/// interpolation and raw identifiers.
private struct Lexer {
    private let text: [Character]
    private var position = 0
    var code = [""]
    var comments = [""]

    init(_ text: String) { self.text = Array(text) }

    mutating func run() {
        while position < text.count { step() }
    }

    private mutating func step() {
        if at("//") {
            takeLineComment()
        } else if at("/*") {
            takeBlockComment()
        } else if let hashes = stringStart() {
            takeString(hashes: hashes)
        } else if text[position] == "`" {
            takeRawIdentifier()
        } else {
            emit(text[position])
            position += 1
        }
    }

    private func at(_ word: String) -> Bool {
        let end = position + word.count
        return end <= text.count && Array(word) == Array(text[position..<end])
    }

    private mutating func emit(_ character: Character, comment: Bool = false, blank: Bool = false) {
        if character == "\n" {
            code.append("")
            comments.append("")
        } else if comment {
            comments[comments.count - 1].append(character)
        } else {
            code[code.count - 1].append(blank ? " " : character)
        }
    }

    private mutating func takeLineComment() {
        while position < text.count, text[position] != "\n" {
            emit(text[position], comment: true)
            position += 1
        }
    }

    private mutating func takeBlockComment() {
        var depth = 0
        repeat {
            if at("/*") { depth += 1 } else if at("*/") { depth -= 1 }
            let width = at("/*") || at("*/") ? 2 : 1
            for _ in 0..<width where position < text.count {
                emit(text[position], comment: true)
                position += 1
            }
        } while depth > 0 && position < text.count
    }

    private mutating func takeRawIdentifier() {
        emit("`")
        position += 1
        while position < text.count, text[position] != "`" {
            emit(text[position], blank: true)
            position += 1
        }
        if position < text.count { emit("`") }
        position += 1
    }

    /// The number of `#` before a quote that starts here, nil when none does.
    private func stringStart() -> Int? {
        var end = position
        while end < text.count, text[end] == "#" { end += 1 }
        return end < text.count && text[end] == "\"" ? end - position : nil
    }

    private mutating func takeString(hashes: Int) {
        let pounds = String(repeating: "#", count: hashes)
        position += hashes
        let quote = at("\"\"\"") ? "\"\"\"" : "\""
        position += quote.count
        emit("\"")
        while position < text.count {
            if at(quote + pounds) {
                position += quote.count + hashes
                break
            }
            if at("\\" + pounds + "(") {
                position += hashes + 2
                takeInterpolation()
            } else if hashes == 0, at("\\"), position + 1 < text.count {
                position += 1
                emit(text[position], blank: true)
                position += 1
            } else {
                emit(text[position], blank: true)
                position += 1
            }
        }
        emit("\"")
    }

    /// Interpolated code is code.
    private mutating func takeInterpolation() {
        var depth = 1
        emit("(")
        while position < text.count, depth > 0 {
            if text[position] == "(" { depth += 1 }
            if text[position] == ")" { depth -= 1 }
            step()
        }
    }
}
