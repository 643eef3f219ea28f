import Domain
import Engine
public import Platform
import Storage
public import Vaulting

/// The vault as requests read it: opened at the first of them, and opened anew after keys changed.
public final class SharedVault: Sendable {
    private let open: @Sendable () throws -> Vault
    private let clock: any Clock
    private let opened = Condition<Vault?>(nil)

    /// A vault that is opened when it is first read.
    public init(clock: any Clock, open: @escaping @Sendable () throws -> Vault) {
        self.clock = clock
        self.open = open
    }

    /// Reads it; waits while another thread opens it.
    ///
    /// Throws what `body` does. After a failure that another key may mend the next read opens it
    /// again.
    func read<Result>(_ body: (JobContext) throws -> Result) throws -> Result {
        let vault = try opened.change { vault in
            if let vault { return vault }
            let found = try open()
            vault = found
            return found
        }
        try Self.checkPlace(vault)
        do {
            return try body(JobContext(vault: vault, clock: clock))
        } catch let error as PgkeepError where error.code.exit == .integrity {
            opened.change { if $0 === vault { $0 = nil } }
            throw error
        }
    }
    /// An empty mount point looks like a vault without anything in it.
    private static func checkPlace(_ vault: Vault) throws {
        do {
            if try Vault.identity(of: vault.store) == vault.id { return }
        } catch let error as PgkeepError where error.code == .notFound {
            throw PgkeepError(
                .storeUnreachable,
                "the vault is no longer in \(vault.store.location)",
                hint: "mount its file system again",
                cause: error
            )
        }
        throw PgkeepError(
            .storeUnreachable,
            "another vault is in \(vault.store.location)",
            hint: "mount the one this agent was started for, or start it anew"
        )
    }
}
