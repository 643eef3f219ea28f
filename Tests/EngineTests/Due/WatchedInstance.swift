import Domain
import Engine
import Logging
import Platform
import Sealing
import TestSupport
import Testing
import Vaulting

/// An instance under protection on a real server, its jobs run in this process: the clock is moved
/// by the test, the vault is in memory.
final class WatchedInstance {
    /// The server.
    let server: PostgresServer
    /// The clock of everything pgkeep does; begins with the machine's.
    let clock = ManualClock(SystemClock().now)
    /// The vault's store.
    let store = MemoryStore()
    /// The vault.
    let vault: Vault
    /// How due work is done.
    var options = DueOptions()
    let name: InstanceName

    private init(_ server: PostgresServer) throws {
        self.server = server
        vault = try Vault.create(store: store, keySource: SyntheticInstance.key)
        name = try InstanceName(checking: "main")
    }

    /// Runs `body` with a server whose instance `main` has been added, its first backup not taken.
    static func with<Result>(
        _ installation: PostgresInstallation,
        settings: [String: String] = [:],
        prepare: (PostgresServer) throws -> Void = { _ in },
        _ body: (WatchedInstance) throws -> Result
    ) throws -> Result {
        // Maintenance of its own would be a change of its own.
        let settings = ["autovacuum": "off"].merging(settings) { $1 }
        let options = PostgresServer.Options(settings: settings)
        return try PostgresServer.with(installation, options: options) { server, _ in
            try prepare(server)
            let watched = try WatchedInstance(server)
            _ = try AddInstanceJob(
                context: watched.context,
                name: watched.name,
                source: server.conninfo
            ).run()
            return try body(watched)
        }
    }

    /// A context of its own, as each process has one.
    var context: JobContext {
        JobContext(
            vault: vault,
            clock: clock,
            log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
    }

    var record: InstanceRecord { get throws { try Instances.find(context, name) } }

    /// What cron does.
    func runDue() throws -> DueEntry {
        try #require(try DueBackups(context: context, options: options).run().first)
    }

    /// The points there are, oldest first.
    func points() throws -> [RecoveryPoint] { try Points.list(context, record).points }

    /// The backup jobs on record, oldest first.
    func jobs() throws -> [JobRecord] { try Jobs.list(context, kinds: [.backup]) }

    /// Fetches all WAL the server has by now.
    func catchUp() throws {
        _ = try WALStreamJob(
            context: context,
            instance: record,
            options: WALStreamOptions(untilCaughtUp: true)
        ).run()
    }
}
