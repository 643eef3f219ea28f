import Domain
import Platform
import Testing

/// The catalogue of alerts, held against the sources and the documentation.
struct AlertCatalogueTests {
    private static let root: String = {
        let file = FileSystem.resolved("\(#filePath)") ?? "\(#filePath)"
        return file.split(separator: "/").dropLast(3).reduce(into: "") { $0 += "/" + $1 }
    }()

    @Test func `every kind of alert in the sources is in the catalogue, and is raised`() throws {
        var named: [String: String] = [:]
        var used: Set<String> = []
        for source in try SourceText.ofPackage(root: Self.root) where !source.isTest {
            let isCatalogue = source.path.hasSuffix("/AlertCatalogue.swift")
            for line in source.lines {
                let quoted = line.split(separator: "\"", omittingEmptySubsequences: false)
                if line.contains("static let "), line.contains(" = AlertKind("), quoted.count == 3 {
                    let name = quoted[0].split(separator: " ").dropLast(2).last ?? ""
                    named[String(name)] = String(quoted[1])
                } else if !isCatalogue {
                    used.formUnion(SourceText.words(String(line)))
                }
            }
        }
        let known = AlertCatalogue.all.map(\.kind.name)
        #expect(Set(known).count == known.count, "a kind is listed twice")
        #expect(Set(named.values) == Set(known))
        for (word, kind) in named { #expect(used.contains(word), "nothing raises \(kind)") }
        for meaning in AlertCatalogue.all {
            #expect(try AlertCatalogue.explain(meaning.kind.name) == meaning)
            #expect(meaning.hiddenBy.allSatisfy { known.contains($0.name) })
        }
    }

    @Test func `every kind of alert is documented, word for word`() throws {
        let path = Self.root + "/Sources/Domain/Documentation.docc/Alerts.md"
        let page = String(decoding: try FileSystem.readFile(path), as: UTF8.self)
        let rows = page.split(separator: "\n").filter { $0.hasPrefix("| `") }
            .filter { row in AlertCatalogue.all.contains { row.hasPrefix("| `\($0.kind)` |") } }
        #expect(
            rows.map(String.init)
                == AlertCatalogue.all.map {
                    "| `\($0.kind)` | \($0.severity.rawValue) | \($0.cause) | \($0.action) |"
                }
        )
    }
}
