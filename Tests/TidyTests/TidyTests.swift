import Domain
import Platform
import Testing

/// The house rules, applied to every Swift file of the package.
struct TidyTests {
    private static let root: String = {
        let file = FileSystem.resolved("\(#filePath)") ?? "\(#filePath)"
        return file.split(separator: "/").dropLast(3).reduce(into: "") { $0 += "/" + $1 }
    }()

    private static let sources = Result { try SourceText.ofPackage(root: root) }

    private func expectNone(_ rule: (SourceText) -> [SourceText.Violation]) throws {
        let sources = try Self.sources.get()
        #expect(sources.count > 30, "the files of the package were not found")
        for violation in sources.flatMap(rule) { Issue.record("\(violation)") }
    }

    @Test func `imports point down`() throws {
        try expectNone(ImportRule.check)
    }

    @Test func `files, functions and lines are short`() throws {
        try expectNone(LengthRule.check)
    }

    @Test func `words are those of the design`() throws {
        try expectNone(WordRule.check)
    }

    @Test func `types are documented and tests can fail`() throws {
        try expectNone(ShapeRule.check)
    }

    @Test func `every target has its place in the layers`() throws {
        let targets = try FileSystem.list(Self.root + "/Sources") ?? []
        let swift = targets.filter { name in
            (try? FileSystem.list("\(Self.root)/Sources/\(name)"))??.contains {
                $0.hasSuffix(".swift")
            } == true
        }
        #expect(Set(swift) == Set(ImportRule.allowed.keys))
    }

    @Test func `the top level holds only what was agreed`() throws {
        let agreed: Set<String> = [
            "Package.swift", "Package.resolved", "Sources", "Tests", "docker-compose.yml",
            "README.md", "Makefile",
        ]
        let found = try #require(try FileSystem.list(Self.root)).filter { !$0.hasPrefix(".") }
        #expect(Set(found).subtracting(agreed).isEmpty)
    }
}
