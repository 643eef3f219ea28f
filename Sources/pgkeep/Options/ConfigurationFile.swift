import Domain
import Platform
import Yams

/// The config file: says where the vault and its key are, and whom to tell of events.
///
/// YAML, one mapping of the keys `vault`, `key_file`, `passphrase_file`, `passphrase_command`,
/// `hook`, for whom to tell when the vault is out of reach `alert_exec`, `alert_email`,
/// `alert_webhook` and `alert_webhook_secret_file`, and `agent`, a mapping of the options of
/// `agent run`.
/// Paths may begin with `~/`; relative ones count from the file's own directory.
struct ConfigurationFile {
    /// The file it was read from.
    let path: String
    var vault: String?
    var keyFile: String?
    var passphraseFile: String?
    var passphraseCommand: String?
    var hook: String?
    /// The agent's options by their names, the words of each: one, or those of a list.
    var agent: [String: [String]] = [:]
    var alertExec: String?
    var alertEmail: String?
    var alertWebhook: String?
    var alertWebhookSecretFile: String?

    private static let bytesMax = 1 << 20
    private static let keys = [
        "vault", "key_file", "passphrase_file", "passphrase_command", "hook", "alert_exec",
        "alert_email", "alert_webhook", "alert_webhook_secret_file",
    ]

    /// The file named, which must be there; else the operator's own, else the system's, else none.
    static func find(_ named: String?) throws -> ConfigurationFile? {
        if let path = named {
            guard try FileSystem.info(path, followLinks: true) != nil else {
                throw PgkeepError(
                    .notFound,
                    "config file \(path) is not there",
                    hint: "correct --config or PGKEEP_CONFIG"
                )
            }
            return try ConfigurationFile(path)
        }
        for directory in directories {
            let path = directory + "/config.yaml"
            if try FileSystem.info(path, followLinks: true) != nil {
                return try ConfigurationFile(path)
            }
        }
        return nil
    }

    /// Where config and key files are looked for: the operator's directory, then the system's.
    static var directories: [String] { [ownDirectory, "/etc/pgkeep"].compactMap { $0 } }

    /// The operator's directory for config and key files; nil without a home.
    static var ownDirectory: String? {
        if let base = Environment.value("XDG_CONFIG_HOME"), base.hasPrefix("/") {
            return base + "/pgkeep"
        }
        return Environment.value("HOME").map { $0 + "/.config/pgkeep" }
    }

    /// Reads and checks a file.
    init(_ path: String) throws {
        self.path = FileSystem.absolute(path)
        let bytes = try FileSystem.readFile(path, limit: Self.bytesMax)
        let root: Node?
        do {
            root = try Yams.compose(yaml: String(decoding: bytes, as: UTF8.self))
        } catch {
            throw Self.wrong(path, Self.reason(error))
        }
        guard let root, !Self.isNull(root) else { return }
        guard let mapping = root.mapping else { throw Self.wrong(path, "line 1: not a mapping") }
        for (key, node) in mapping { try take(key, node) }
    }

    private mutating func take(_ key: Node, _ node: Node) throws {
        let line = "line \(key.mark?.line ?? 1)"
        if key.scalar?.string == "agent" { return try takeAgent(node, line) }
        guard let name = key.scalar?.string, Self.keys.contains(name) else {
            throw Self.wrong(path, "\(line): unknown key \"\(key.scalar?.string ?? "")\"")
        }
        guard let value = node.scalar?.string, !value.isEmpty, !Self.isNull(node) else {
            throw Self.wrong(path, "\(line): \(name) is not a text")
        }
        switch name {
        case "vault": vault = located(value)
        case "key_file": keyFile = located(value)
        case "passphrase_file": passphraseFile = located(value)
        case "hook": hook = value
        case "alert_exec": alertExec = value
        case "alert_email": alertEmail = value
        case "alert_webhook": alertWebhook = value
        case "alert_webhook_secret_file": alertWebhookSecretFile = located(value)
        default: passphraseCommand = value
        }
    }

    private mutating func takeAgent(_ node: Node, _ line: String) throws {
        if Self.isNull(node) { return }
        guard let mapping = node.mapping else {
            throw Self.wrong(path, "\(line): agent is not a mapping")
        }
        for (key, value) in mapping {
            let line = "line \(key.mark?.line ?? 1)"
            guard let name = key.scalar?.string, AgentOptions.keys.contains(name) else {
                throw PgkeepError(
                    .usage,
                    "config file \(path), \(line): unknown key \"\(key.scalar?.string ?? "")\"",
                    hint: "the keys of agent are \(AgentOptions.keys.joined(separator: ", "))"
                )
            }
            let words = value.sequence.map { $0.map(\.scalar?.string) } ?? [value.scalar?.string]
            guard !Self.isNull(value), words.allSatisfy({ $0?.isEmpty == false }) else {
                throw Self.wrong(path, "\(line): \(name) is not a text")
            }
            agent[name] = words.compactMap { $0 }
        }
    }

    private static func isNull(_ node: Node) -> Bool {
        guard let scalar = node.scalar, scalar.style == .plain else { return false }
        return ["", "~", "null"].contains(scalar.string)
    }

    private func located(_ value: String) -> String {
        if value.hasPrefix("~/"), let home = Environment.value("HOME") {
            return home + value.dropFirst()
        }
        if value.hasPrefix("/") || value.contains("://") { return value }
        return (FileSystem.parent(of: path) ?? ".") + "/" + value
    }

    private static func reason(_ error: any Error) -> String {
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            "line \(mark.line): \(problem)"
        case .duplicatedKeysInMapping(let keys, let context):
            "line \(context.mark.line): twice the key \(keys.sorted().joined(separator: ", "))"
        default: "not YAML"
        }
    }

    private static func wrong(_ path: String, _ reason: String) -> PgkeepError {
        PgkeepError(
            .usage,
            "config file \(path), \(reason)",
            hint: "its keys are \(keys.joined(separator: ", ")), each with a text, and agent"
        )
    }
}
