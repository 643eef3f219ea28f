/// What a file must have: a documented main type, or tests that can fail.
enum ShapeRule {
    static func check(_ source: SourceText) -> [SourceText.Violation] {
        if source.isTest { return assertions(source) }
        return source.path.hasPrefix("Sources/") ? documentation(source) : []
    }

    /// A file of tests must be able to fail, and one named for tests must hold some.
    private static func assertions(_ source: SourceText) -> [SourceText.Violation] {
        guard source.target.hasSuffix("Tests") else { return [] }
        let words = Set(source.code.flatMap { SourceText.words($0) })
        let code = source.code.joined(separator: "\n")
        let hasTests = code.contains("@Test")
        if source.path.hasSuffix("Tests.swift"), !hasTests {
            return [source.violation(0, "no test in a file named for tests")]
        }
        let asserting = ["#expect", "#require", "Issue.record"].contains { code.contains($0) }
        if hasTests, !asserting, words.isDisjoint(with: ["withKnownIssue"]) {
            return [source.violation(0, "tests that expect nothing cannot fail")]
        }
        return []
    }

    private static let declaring: Set<String> = [
        "struct", "class", "enum", "actor", "protocol", "extension", "func", "typealias", "let",
        "var",
    ]

    /// The first declaration at the left margin carries a doc comment, or is an extension.
    private static func documentation(_ source: SourceText) -> [SourceText.Violation] {
        guard !source.path.hasSuffix("/main.swift") else { return [] }
        let first = source.code.indices.first { index in
            guard let character = source.code[index].first, character.isLetter else { return false }
            return SourceText.words(source.code[index]).contains { declaring.contains($0) }
                && !SourceText.words(source.code[index]).contains("import")
        }
        guard let first else { return [] }
        var above = first - 1
        while above >= 0, source.code[above].hasPrefix("@") { above -= 1 }
        let documented = above >= 0 && source.comments[above].hasPrefix("//")
        let isExtension = SourceText.words(source.code[first]).contains("extension")
        let names = source.code.indices.contains { index in
            source.comments[index].hasPrefix("///")
        }
        if documented || (isExtension && names) { return [] }
        return [source.violation(first, "no comment on the main declaration")]
    }
}
