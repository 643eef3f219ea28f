/// Words and constructs that have no place here.
enum WordRule {
    private static let endings = ["Manager", "Helper", "Helpers", "Util", "Utils", "Utility"]
    private static let foreign = ["Stanza", "Repository", "Snapshot", "Cluster"]
    private static let unfinished: Set<String> = ["TODO", "FIXME", "XXX", "HACK"]
    private static let banned: Set<String> = ["stanza", "repo", "repos"]
    private static let declaring: Set<String> = [
        "struct", "class", "enum", "actor", "protocol", "typealias",
    ]

    static func check(_ source: SourceText) -> [SourceText.Violation] {
        source.code.indices.flatMap { index -> [SourceText.Violation] in
            var messages = constructs(source, index)
            let code = SourceText.words(source.code[index])
            let comment = SourceText.words(source.comments[index])
            for word in comment where unfinished.contains(word) {
                messages.append("\(word): finish it or leave it out")
            }
            for word in code + comment where banned.contains(word.lowercased()) {
                messages.append("'\(word)' is not a word of this program")
            }
            messages += typeNames(code)
            return messages.map { source.violation(index, $0) }
        }
    }

    private static func typeNames(_ words: [String]) -> [String] {
        zip(words, words.dropFirst()).flatMap { keyword, name -> [String] in
            guard declaring.contains(keyword) else { return [] }
            var messages: [String] = []
            if endings.contains(where: name.hasSuffix) {
                messages.append("\(name): name the type for what it is")
            }
            if foreign.contains(where: name.contains) || name.hasSuffix("Repo") {
                messages.append("\(name): use the words of the design")
            }
            return messages
        }
    }

    private static func constructs(_ source: SourceText, _ index: Int) -> [String] {
        let line = source.code[index]
        var messages: [String] = []
        if line.contains("try!") { messages.append("try!: throw, or say why it cannot fail") }
        if line.contains("as!") { messages.append("as!: use as? and say what else it could be") }
        if line.contains("fatalError(") {
            messages.append("fatalError: throw, or preconditionFailure with a reason")
        }
        let words = SourceText.words(line)
        if !source.isTest, source.target != "pgkeep", words.contains("print"),
            line.contains("print(")
        {
            messages.append("print: only the command line writes to the terminal")
        }
        if source.isTest, source.target != "TestSupport", sleeps(line) {
            messages.append("sleep: wait for the event (waitUntil, waitForOutput)")
        }
        return messages
    }

    private static func sleeps(_ line: String) -> Bool {
        if line.contains("Task.sleep(") || line.contains("Thread.sleep(") { return true }
        return ["sleep(", "usleep("].contains { call in
            line.split(separator: " ").contains { $0.hasPrefix(call) }
        }
    }
}
