import Domain
import Engine
import Logging
import Platform
import Sealing
import Storage
import Vaulting

/// What one run of a verb works with: settings, screen, log, clock, and the wish to stop.
final class Session {
    let global: GlobalOptions
    let screen = Screen()
    let token = CancellationToken()
    let clock: any Clock = SystemClock()
    let meter = ProgressMeter()
    private(set) var log: Logger
    /// Where vault and key are.
    let settings: VaultSettings

    init(_ global: GlobalOptions) throws {
        guard !global.quiet || !global.verbose else {
            throw PgkeepError(.usage, "--quiet and --verbose are both given", hint: "leave one out")
        }
        self.global = global
        let level: Logger.Level = global.quiet ? .error : global.verbose ? .debug : .notice
        let handler = ScreenLog(screen: screen, clock: clock, logLevel: level)
        log = Logger(label: "pgkeep") { _ in handler }
        settings = try VaultSettings(global)
    }

    /// Logs as a command that runs for long was told to.
    func setLog(_ options: LogOptions, standard: Logger.Level = .notice) throws {
        let handler = ScreenLog(
            screen: screen,
            clock: clock,
            logLevel: try options.level(global, standard: standard),
            format: try options.format()
        )
        log = Logger(label: "pgkeep") { _ in handler }
    }

    /// Seconds until a command that runs for long gives back what its start took, and between
    /// later times.
    private static let trimSeconds = (first: 15.0, later: 600.0)

    /// Has this process give back memory it has no use for, now and then, until it is to stop.
    func trimMemory() {
        _ = Thread<Void>("trim") { [token] in
            var seconds = Self.trimSeconds.first
            while !token.sleep(seconds: seconds) {
                ResidentMemory.trim()
                seconds = Self.trimSeconds.later
            }
        }
    }

    /// Says something to people; silent with `--quiet`.
    func say(_ line: String) {
        if !global.quiet { screen.line(line) }
    }

    /// Why a job runs, as `PGKEEP_TRIGGER` says it: crontabs and the agent set it. Without it, what
    /// the verb is usually run by.
    func trigger(else usual: String) throws -> String {
        guard let given = Environment.value("PGKEEP_TRIGGER") else { return usual }
        guard ["manual", "scheduled", "agent"].contains(given) else {
            throw PgkeepError(
                .usage,
                "PGKEEP_TRIGGER is \"\(given)\", which is no trigger",
                hint: "set it to scheduled (in a crontab), agent or manual, or not at all"
            )
        }
        return given
    }

    /// The store of the vault named, which must be one.
    func openStore() throws -> FileStore {
        let path = try settings.requireVault()
        // A missing directory and one that is no vault are the same to who mistyped a path.
        guard try listed(path)?.isEmpty == false else {
            throw PgkeepError(
                .notFound,
                "there is no vault in \(path)",
                hint: "correct the path, mount its file system, or run pgkeep vault init \(path)"
            )
        }
        return try FileStore(path)
    }

    private func listed(_ path: String) throws -> [String]? {
        do throws(PgkeepError) {
            return try FileSystem.list(path)
        } catch {
            throw PgkeepError(
                .storeUnreachable,
                "the vault's directory cannot be read",
                hint: error.hint,
                cause: error
            )
        }
    }

    /// Opens the vault named with the key named, or else with a key file found beside the config.
    func openVault() throws -> Vault { try openVaultWithKey().vault }

    /// Opens the vault as `openVault` does, but never asks for a passphrase when `asks` is false:
    /// child processes would have to ask, too.
    func openVault(asks: Bool) throws -> Vault { try openVaultWithKey(asks: asks).vault }

    /// Opens the vault as `openVault` does; also gives what opened it.
    func openVaultWithKey(asks: Bool = true) throws -> (vault: Vault, key: KeySource) {
        let store = try openStore()
        guard global.walKey == nil else {
            throw PgkeepError(
                .usage,
                "--wal-key opens nothing but WAL",
                hint: "give the vault's own key with --key-file"
            )
        }
        let id = try Vault.identity(of: store)
        let key = try (settings.key ?? foundKey(id, asks: asks)).read(token: token)
        return (try Vault.open(store: store, keySource: key), key)
    }

    /// The key file that `vault init` wrote for this vault, if it is where it was put.
    private func foundKey(_ id: VaultID, asks: Bool) throws -> KeyChoice {
        let ending = KeyFileName.ending(id)
        for directory in [settings.directory, "/etc/pgkeep"].compactMap({ $0 }) {
            let names = (try? FileSystem.list(directory)) ?? []
            if let name = names.first(where: { $0.hasSuffix(ending) }) {
                return .file(directory + "/" + name)
            }
        }
        if asks, Terminal.isTerminal(.errors), !global.json { return .passphrasePrompt }
        throw PgkeepError(
            .usage,
            "no key for vault \(id) is named",
            hint: "give --key-file FILE, or set PGKEEP_KEY_FILE, PGKEEP_PASSPHRASE, "
                + "PGKEEP_PASSPHRASE_FILE or PGKEEP_PASSPHRASE_COMMAND"
        )
    }
}

/// How `vault init` names the key files it writes, so that other commands find them again.
enum KeyFileName {
    /// `<vault directory's name>-<first 8 digits of its id>.key`.
    static func make(vault path: String, id: VaultID) -> String {
        let name = path.split(separator: "/").last.map(String.init) ?? "vault"
        return name + ending(id)
    }

    /// What the names of a vault's key files end in.
    static func ending(_ id: VaultID) -> String { "-\(id.description.prefix(8)).key" }
}
