import Agent
import ArgumentParser
import Domain
import Engine
import Logging
import Platform
import ServiceLifecycle
import Vaulting

/// `agent run`
struct AgentRun: Verb {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Keep all instances of a vault streaming and backed up, until stopped.",
        discussion: """
            Runs pgkeep wal stream for each instance, pgkeep backup run-due when backups are due, \
            pgkeep drill run-due every 10 minutes, pgkeep alert check every 30 seconds, and once \
            a day pgkeep vault prune and a part of pgkeep vault check, as processes of their own, \
            and starts anew what ends. What is added, stopped, resumed or deleted on any host is \
            taken up within seconds. Of several agents on one vault each takes care of the \
            instances it found free; when one dies the others take over within a minute.

            SIGTERM and Ctrl-C end it in good order: streams confirm what they have, backups may \
            go on for --stop-timeout; a second one hastens it. SIGHUP has it read the config file \
            anew, whose section "agent" takes the same options: stop_timeout, prune_at, \
            check_budget, child_memory_limit, heartbeat, instances, log_level, log_format; listen, \
            token_file and socket_mode count from the next start.

            Over HTTP it serves /metrics, /healthz, /readyz and, below /v1/, the documents of \
            status, instance list and show, backup list, window show, wal status, job list and \
            show, and alert list. It tells systemd that it is ready, that it lives, that it ends.

              pgkeep agent run
              pgkeep agent run main orders --stop-timeout 10min --heartbeat 60
            """
    )

    @OptionGroup var options: AgentOptions
    @OptionGroup(title: "HTTP") var http: HTTPOptions
    @OptionGroup var logging: LogOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    /// Where signals go once there is an agent; until then the first one ends the process.
    private static let receiver = Condition<(@Sendable (Signals.Number) -> Void)?>(nil)

    var showsProgress: Bool { false }

    func watchSignals(_ session: Session) {
        let token = session.token
        Signals.watch { number in
            guard let receive = Self.receiver.read({ $0 }) else { return token.cancel() }
            receive(number)
        }
    }

    func answer(_ session: Session) throws -> AgentReport {
        let section = try session.settings.agent()
        let logging = logging.or(section)
        try session.setLog(logging, standard: .info)
        let vault = UncheckedSession(session)
        let supervisor = Supervisor(
            Supervisor.Setup(
                settings: { [options, global] in
                    var settings = try options.settings(vault.session.settings.agent())
                    settings.logLevel = try logging.level(global, standard: .info)
                    settings.vaultWords = Self.words(global)
                    return settings
                },
                open: { try vault.session.openVault(asks: false) },
                program: { ProgramPath.own },
                version: Version.text,
                clock: session.clock,
                log: session.log
            )
        )
        Self.receiver.change {
            $0 = { $0 == .hangup ? supervisor.reload() : supervisor.stop() }
        }
        if session.token.isCancelled { throw session.token.error }
        session.trimMemory()
        let log = session.log
        let others = try others(supervisor, vault, section)
        try waiting {
            // Services end in the order opposite to this one, so that the agent still tells what it
            // does while it ends.
            let main = ServiceGroupConfiguration.ServiceConfiguration(
                service: supervisor,
                successTerminationBehavior: .gracefullyShutdownGroup,
                failureTerminationBehavior: .cancelGroup,
                serviceName: "supervisor"
            )
            let group = ServiceGroup(
                configuration: ServiceGroupConfiguration(
                    services: others + [main],
                    logger: Self.quiet(log)
                )
            )
            try await group.run()
        }
        return supervisor.report
    }

    /// What tells of the supervisor: to the service manager, and over HTTP.
    private func others(
        _ supervisor: Supervisor,
        _ vault: UncheckedSession,
        _ section: [String: [String]]
    ) throws -> [ServiceGroupConfiguration.ServiceConfiguration] {
        let session = vault.session
        var services: [any Service] = []
        if let signs = SignsOfLife(report: { supervisor.report }) { services.append(signs) }
        if let configuration = try http.configuration(section) {
            services.append(
                HTTPInterface(
                    configuration,
                    version: Version.text,
                    log: session.log,
                    clock: session.clock,
                    vault: SharedVault(clock: session.clock) {
                        try vault.session.openVault(asks: false)
                    },
                    report: { supervisor.report }
                )
            )
        }
        return services.map {
            .init(
                service: $0,
                successTerminationBehavior: .ignore,
                failureTerminationBehavior: .ignore
            )
        }
    }

    func lines(_ answer: AgentReport) -> [String] { [] }

    /// The library tells every step of its own, which is news to nobody.
    private static func quiet(_ log: Logger) -> Logger {
        var log = log
        log.logLevel = max(log.logLevel, .critical)
        return log
    }

    /// The options that name vault and key; what comes from the environment children have, too.
    private static func words(_ global: GlobalOptions) -> [String] {
        [("--vault", global.vault), ("--key-file", global.keyFile), ("--config", global.config)]
            .flatMap { option, value in value.map { [option, $0] } ?? [] }
    }
}

/// The session as the supervisor's threads use it: to read settings and open the vault, by one
/// thread at a time.
private struct UncheckedSession: @unchecked Sendable {
    let session: Session

    init(_ session: Session) { self.session = session }
}
