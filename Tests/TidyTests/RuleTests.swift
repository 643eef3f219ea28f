import Testing

/// Each rule must be able to fail: it meets a bad snippet, and a good one that looks alike.
struct RuleTests {
    private func messages(
        _ rule: (SourceText) -> [SourceText.Violation],
        _ text: String,
        path: String = "Sources/Sealing/A.swift"
    ) -> [String] {
        rule(SourceText(path: path, text: text)).map(\.message)
    }

    @Test func `an arrow up or sideways is found`() {
        #expect(messages(ImportRule.check, "import Storage") == ["Sealing may not import Storage"])
        #expect(messages(ImportRule.check, "public import struct Vaulting.Vault").count == 1)
        #expect(messages(ImportRule.check, "import Foundation").count == 1)
        #expect(messages(ImportRule.check, "public import Domain\nimport Platform") == [])
        #expect(messages(ImportRule.check, "// import Storage\nlet a = \"import Storage\"") == [])
        #expect(messages(ImportRule.check, "import Glibc", path: "Sources/Domain/A.swift") != [])
        #expect(messages(ImportRule.check, "import Storage", path: "Sources/New/A.swift") != [])
    }

    @Test func `a C module that shows or strays is found`() {
        #expect(messages(ImportRule.check, "private import CCrypto") == [])
        #expect(
            messages(ImportRule.check, "public import CCrypto")
                == ["CCrypto may not show in an interface"]
        )
        #expect(messages(ImportRule.check, "private import CPostgres").count == 1)
        #expect(messages(ImportRule.check, "import CLZ4", path: "Tests/XTests/A.swift").count == 1)
    }

    @Test func `a test that looks inside is found`() {
        let text = "@testable import Domain"
        #expect(messages(ImportRule.check, text, path: "Tests/XTests/A.swift").count == 1)
    }

    @Test func `lengths have limits`() {
        let long = String(repeating: "let a = 1\n", count: 401)
        #expect(messages(LengthRule.check, long) == ["401 lines, at most 400"])
        #expect(messages(LengthRule.check, String(long.dropLast(10))) == [])
        #expect(messages(LengthRule.check, String(repeating: "a", count: 101)).count == 1)
        #expect(messages(LengthRule.check, String(repeating: "ß", count: 100)) == [])
        let body = String(repeating: "    call(\"}\") // }\n", count: 69)
        let function = "    public static func f(\n        _ a: () -> Void = {}\n    ) {\n"
        #expect(messages(LengthRule.check, function + body + "    }\n").count == 1)
        let short = "    init?(a: Int) throws {\n" + body.dropFirst(20) + "    }\n"
        #expect(messages(LengthRule.check, short) == [])
    }

    @Test func `requirements without a body have no length`() {
        let text = """
            protocol P {
                func a(_ b: [Int]) throws -> Int
                func c()
                var d: Int { get }
            }
            func e() { f { g() } }
            """
        let found = LengthRule.functions(SourceText(path: "Sources/A/A.swift", text: text))
        #expect(found.map(\.start) == [5])
        #expect(found.map(\.lines) == [1])
    }

    @Test(arguments: [
        "// TO" + "DO: later", "let a = try! b()", "let a = b as! Int", "fatalError(\"no\")",
        "struct FileManager {}", "enum PathUtils {}", "final class SnapshotReader {}",
        "/// The stanza of it.\nstruct A {}", "let repo = 1", "print(\"x\")",
        "/* XX" + "X */ let a = 1", "let a = \"\\(try! b())\"",
    ])
    func `a word out of place is found`(text: String) {
        #expect(messages(WordRule.check, text).count == 1)
    }

    @Test(arguments: [
        "let a = \"try! TO" + "DO stanza\"", "// reports and reposts of a helper", "try a()",
        "let a = #\"print(\"as! \")\"#", "func `as! is not try!`() {}", "struct Report {}",
        "let a = \"\"\"\n    fatalError(\n    \"\"\"", "blueprint(a)", "token.sleep(seconds: 1)",
        "// PostgreSQL's exported snapshot", "let alias = 1",
    ])
    func `a word that only looks alike is let be`(text: String) {
        #expect(messages(WordRule.check, text) == [])
    }

    @Test func `a test that sleeps is found`() {
        for call in ["usleep(10)", "try await Task.sleep(for: a)", "sleep(1)"] {
            #expect(messages(WordRule.check, call, path: "Tests/XTests/A.swift").count == 1)
        }
        #expect(messages(WordRule.check, "psql(\"sleep(1)\")", path: "Tests/XTests/A.swift") == [])
    }

    @Test func `a test that cannot fail is found`() {
        let path = "Tests/XTests/ATests.swift"
        #expect(messages(ShapeRule.check, "@Test func a() { b() }", path: path).count == 1)
        #expect(messages(ShapeRule.check, "struct A {}", path: path).count == 1)
        #expect(messages(ShapeRule.check, "@Test func a() { #expect(b) }", path: path) == [])
        #expect(messages(ShapeRule.check, "struct A {}", path: "Tests/TestSupport/A.swift") == [])
    }

    @Test func `a type without a doc comment is found`() {
        #expect(messages(ShapeRule.check, "import Domain\n\nstruct A {\n}").count == 1)
        #expect(messages(ShapeRule.check, "// about\n\npublic final class A {}").count == 1)
        #expect(messages(ShapeRule.check, "/// About.\n@frozen\npublic struct A {}") == [])
        #expect(messages(ShapeRule.check, "extension A {\n    /// B.\n    func b() {}\n}") == [])
    }
}
