/// The layers: what each target may import. An arrow only points down.
enum ImportRule {
    private static let system: Set<String> = ["Glibc", "Synchronization"]
    private static let domain: Set<String> = ["Domain"]
    private static let platform: Set<String> = ["Domain", "Platform"]
    private static let vaulting = platform.union(["Sealing", "Storage"])
    private static let engine = vaulting.union(["Postgres", "Vaulting"])

    /// Everything a target may import. The C modules appear once each: they belong to one target.
    static let allowed: [String: Set<String>] = [
        "Domain": [],
        "Platform": domain.union(system).union(["CPlatform"]),
        "Postgres": platform.union(system).union(["CPostgres"]),
        "Sealing": platform.union(system).union(["CCrypto", "CLZ4"]),
        "Storage": platform.union(system),
        "Vaulting": vaulting.union(system).union(["FoundationEssentials"]),
        "Engine": engine.union(system).union([
            "FoundationEssentials", "Logging", "Subprocess", "SystemPackage", "AsyncHTTPClient",
            "NIOCore", "NIOHTTP1",
        ]),
        "Agent": vaulting.union(system).union([
            "Vaulting", "Engine", "FoundationEssentials", "Logging", "Subprocess", "SystemPackage",
            "ServiceLifecycle", "Hummingbird", "HummingbirdCore", "HTTPTypes", "NIOCore",
            "NIOHTTP1", "NIOHTTPTypes", "NIOPosix",
        ]),
        "pgkeep": engine.union(system).union([
            "Engine", "Agent", "ArgumentParser", "Foundation", "FoundationEssentials", "Logging",
            "ServiceLifecycle", "Yams",
        ]),
    ]

    private static let ownC: Set<String> = ["CPlatform", "CPostgres", "CCrypto", "CLZ4"]
    private static let access: Set<String> = [
        "public", "package", "internal", "fileprivate", "private",
    ]

    /// Arrows that point up or sideways, C modules that show, and tests that look inside.
    static func check(_ source: SourceText) -> [SourceText.Violation] {
        guard source.target != "" else { return [] }
        return source.code.enumerated().flatMap { index, line -> [SourceText.Violation] in
            guard let found = parse(line) else { return [] }
            var messages: [String] = []
            if found.isTestable {
                messages.append("@testable: tests use the public interface, as release builds do")
            }
            if !source.isTest {
                if allowed[source.target]?.contains(found.module) != true {
                    messages.append("\(source.target) may not import \(found.module)")
                }
                if ownC.contains(found.module), ["public", "package"].contains(found.access) {
                    messages.append("\(found.module) may not show in an interface")
                }
            } else if ownC.contains(found.module) {
                messages.append("\(found.module) is imported by one target only")
            }
            return messages.map { source.violation(index, $0) }
        }
    }

    private static func parse(
        _ line: String
    ) -> (module: String, access: String, isTestable: Bool)? {
        var words = SourceText.words(line)
        let isTestable = words.first == "testable"
        if isTestable || words.first == "preconcurrency" { words.removeFirst() }
        var level = "internal"
        if let first = words.first, access.contains(first) {
            level = first
            words.removeFirst()
        }
        guard words.first == "import", words.count > 1 else { return nil }
        let kinds: Set<String> = ["struct", "class", "enum", "protocol", "func", "var", "let"]
        let module = kinds.contains(words[1]) && words.count > 2 ? words[2] : words[1]
        return (module, level, isTestable)
    }
}
