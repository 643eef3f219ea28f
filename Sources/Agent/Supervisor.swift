import Domain
public import Logging
public import Platform
public import ServiceLifecycle
public import Vaulting

/// The agent: keeps the instances of a vault streaming and backed up, by running the commands an
/// operator would, as child processes.
///
/// One thread decides, by the rules of `Supervision`; one talks with the vault, so that a vault
/// that hangs stops no child; each child has one. What the agent knows beyond the vault it may
/// forget: killed, it leaves no child behind, and the next one finds everything in the vault.
public final class Supervisor: Service {
    /// What an agent needs to be told.
    public struct Setup: Sendable {
        /// Reads the settings, at the start and again for each reload.
        public var settings: @Sendable () throws -> AgentSettings
        /// Opens the vault.
        public var open: @Sendable () throws -> Vault
        /// The program to run, an absolute path; asked for each time, since it may be replaced.
        public var program: @Sendable () -> String
        /// Its version.
        public var version: String
        /// The clocks.
        public var clock: any Clock
        /// The log.
        public var log: Logger

        /// A setup.
        public init(
            settings: @escaping @Sendable () throws -> AgentSettings,
            open: @escaping @Sendable () throws -> Vault,
            program: @escaping @Sendable () -> String,
            version: String,
            clock: any Clock,
            log: Logger
        ) {
            self.settings = settings
            self.open = open
            self.program = program
            self.version = version
            self.clock = clock
            self.log = log
        }
    }

    private let setup: Setup
    private let inbox = Condition<[SupervisorEvent]>([])
    private let state: Condition<AgentReport>

    /// An agent that does nothing before `run`.
    public init(_ setup: Setup) {
        self.setup = setup
        let identity = ProcessIdentity.current()
        state = Condition(
            AgentReport(
                version: setup.version,
                host: identity.host,
                pid: identity.process,
                startedAt: setup.clock.now
            )
        )
    }

    /// What it keeps running now; never waits for anything.
    public var report: AgentReport { state.read { $0 } }

    /// Runs until it is stopped: by `stop`, or by the service group it belongs to.
    ///
    /// Returns when all children have ended and every claim is given back. Throws what makes a
    /// start pointless: a wrong key, no vault, wrong settings. A vault out of reach is waited for.
    public func run() async throws {
        try await withTaskCancellationOrGracefulShutdownHandler {
            try await onThread("supervisor") { [self] in
                try SupervisorLoop(setup, inbox, state).run()
            }
        } onCancelOrGracefulShutdown: { [self] in
            stop()
        }
    }

    /// Begins to stop; a second call hastens it.
    public func stop() { inbox.change { $0.append(.stop) } }

    /// Has it read its settings and the vault's records anew.
    public func reload() { inbox.change { $0.append(.reload) } }
}

/// What happens to a supervisor.
enum SupervisorEvent: Sendable {
    case round(Result<InstanceCare.Round, any Error>)
    case hopeless(any Error)
    case began(Chore.ID, ChildProcess)
    case ended(Chore.ID, RunReport)
    case stop
    case reload
    case released
}
