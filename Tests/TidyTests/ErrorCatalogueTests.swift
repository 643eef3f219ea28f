import Domain
import Platform
import Testing

/// The catalogue of error codes, held against the sources and the documentation.
struct ErrorCatalogueTests {
    private static let root: String = {
        let file = FileSystem.resolved("\(#filePath)") ?? "\(#filePath)"
        return file.split(separator: "/").dropLast(3).reduce(into: "") { $0 += "/" + $1 }
    }()

    /// What stands between quotes after `opening`, in any file of the sources.
    private func quoted(after opening: String) throws -> Set<String> {
        var found: Set<String> = []
        for source in try SourceText.ofPackage(root: Self.root) where !source.isTest {
            for line in source.lines {
                for piece in line.split(separator: opening, omittingEmptySubsequences: false)
                    .dropFirst()
                {
                    found.insert(String(piece.prefix { $0 != "\"" }))
                }
            }
        }
        return found
    }

    @Test func `row 101: every code in the sources is in the catalogue`() throws {
        let known = ErrorCatalogue.all.map(\.code)
        #expect(Set(known).count == known.count, "a code is listed twice")
        #expect(try quoted(after: "ErrorCode(\"") == Set(known))
        for error in ErrorCatalogue.all {
            #expect(!error.cause.isEmpty && !error.action.isEmpty, "\(error.code)")
            #expect(try ErrorCatalogue.explain(error.code) == error)
        }
    }

    @Test func `row 101: every code is documented, word for word`() throws {
        let path = Self.root + "/Sources/Domain/Documentation.docc/Errors.md"
        let lines = String(decoding: try FileSystem.readFile(path), as: UTF8.self)
            .split(separator: "\n").map(String.init)
        let rows = ErrorCatalogue.all.map {
            "| `\($0.code)` | \($0.exit) | \($0.cause) | \($0.action) |"
        }
        #expect(lines.filter { $0.hasPrefix("| `") } == rows)
    }

    @Test func `an unknown code is answered with those that are near`() {
        #expect(throws: PgkeepError.self) { try ErrorCatalogue.explain("nonsense") }
        do {
            _ = try ErrorCatalogue.explain("auth")
            Issue.record("a part of a code is no code")
        } catch {
            #expect(error.code == .notFound)
            #expect(error.hint.contains("source.auth"))
        }
    }
}
