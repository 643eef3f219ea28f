import Domain
import Engine
import Platform
import Vaulting

/// The channels the config file names: who is told when the vault, which knows the others, is out
/// of reach.
enum ConfiguredChannels {
    /// The channels; empty without a config file or when it names none.
    static func read(_ file: ConfigurationFile?) throws -> [ChannelRecord] {
        guard let file else { return [] }
        var channels: [ChannelRecord] = []
        func add(_ means: ChannelRecord.Means, _ target: String?, secret: String? = nil) throws {
            guard let target else { return }
            let channel = ChannelRecord(
                name: "alert_\(means.rawValue)",
                means: means,
                target: target,
                secret: secret,
                createdAt: Timestamp(seconds: 0),
                by: file.path
            )
            do {
                try Channels.check(channel)
            } catch {
                throw PgkeepError(
                    error.code,
                    "config file \(file.path), alert_\(means.rawValue): \(error.message)",
                    hint: error.hint
                )
            }
            channels.append(channel)
        }
        try add(.exec, file.alertExec)
        try add(.email, file.alertEmail)
        if file.alertWebhook != nil {
            let secret = try file.alertWebhookSecretFile.map(Self.secret)
            try add(.webhook, file.alertWebhook, secret: secret)
        }
        return channels
    }

    /// The content of a secret file, without newlines at its end. Only its owner may read it.
    static func secret(_ path: String) throws -> String {
        guard let info = try FileSystem.info(path, followLinks: true) else {
            throw PgkeepError(
                .notFound,
                "secret file \(path) is not there",
                hint: "make one: (umask 077; openssl rand -hex 32 > \(path))"
            )
        }
        guard info.kind != .file || info.mode & 0o077 == 0 else {
            throw PgkeepError(
                .refused,
                "secret file \(path) can be read or changed by others",
                hint: "chmod 600 \(path)"
            )
        }
        let bytes = try FileSystem.readFile(path, limit: 4096)
        var text = Substring(String(decoding: bytes, as: UTF8.self))
        while text.last?.isNewline == true { text.removeLast() }
        return String(text)
    }
}
