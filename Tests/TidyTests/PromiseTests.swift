import Domain
import Platform
import Testing

/// The promises of a managed service that this product keeps, by number, each with its tests.
struct PromiseTests {
    private static let root: String = {
        let file = FileSystem.resolved("\(#filePath)") ?? "\(#filePath)"
        return file.split(separator: "/").dropLast(3).reduce(into: "") { $0 += "/" + $1 }
    }()

    private static let kept: [ClosedRange<Int>] = [
        1...7, 9...10, 13...14, 17...31, 33...34, 42...42, 46...48, 58...59, 66...66, 68...68,
        70...71, 74...86, 91...101,
    ]

    @Test func `each promise names its tests, and they exist`() throws {
        let page = String(
            decoding: try FileSystem.readFile(Self.root + "/Tests/Promises.md"),
            as: UTF8.self
        )
        let tests = try Self.testNames()
        var named: [Int: [Substring]] = [:]
        var others: [Substring: [Substring]] = [:]
        for line in page.split(separator: "\n") where line.hasPrefix("| ") {
            let cells = line.split(separator: "|", omittingEmptySubsequences: false)
            guard cells.count > 3 else { continue }
            if let number = Int(cells[1].filter { $0 != " " }) {
                named[number] = Self.quoted(cells[3])
            } else if cells.count == 4, cells[1] != " promise " {
                others[cells[1]] = Self.quoted(cells[2])
            }
        }
        for number in Self.kept.joined() {
            #expect(named[number]?.isEmpty == false, "promise \(number) names no test")
        }
        for (number, names) in named {
            for name in names {
                #expect(tests.contains(String(name)), "promise \(number): no test \(name)")
            }
        }
        #expect(others.count >= 14)
        for (promise, names) in others {
            #expect(!names.isEmpty, "no test holds:\(promise)")
            for name in names {
                #expect(tests.contains(String(name)), "\(promise): no test \(name)")
            }
        }
        // A test that speaks of a promise is found on the page, too.
        let listed = Set(named.values.joined().map(String.init))
        for test in tests where test.hasPrefix("row ") {
            #expect(listed.contains(test), "Tests/Promises.md does not name: \(test)")
        }
    }

    /// What stands between pairs of backquotes.
    private static func quoted(_ text: Substring) -> [Substring] {
        let parts = text.split(separator: "`", omittingEmptySubsequences: false)
        return parts.enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
    }

    private static func testNames() throws -> Set<String> {
        var names: Set<String> = []
        for source in try SourceText.ofPackage(root: root) where source.isTest {
            for line in source.lines where line.contains("func `") {
                let parts = line.split(separator: "`", omittingEmptySubsequences: false)
                if parts.count > 2 { names.insert(String(parts[1])) }
            }
        }
        return names
    }
}
