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
            pgkeep alert check every 30 seconds, and once a day pgkeep vault prune and a part of \
            pgkeep vault check, as processes of their own, and starts anew what ends. What is \
            added, stopped, resumed or deleted on any host is taken up within seconds. Of several \
            agents on one vault each takes care of the instances it found free; when one dies the \
            others take over within a minute.

            SIGTERM and Ctrl-C end it in good order: streams confirm what they have, backups may \
            go on for --stop-timeout; a second one hastens it. SIGHUP has it read the config file \
            anew, whose section "agent" takes the same options: stop_timeout, prune_at, \
            check_budget, child_memory_limit, heartbeat, instances, log_level, log_format.

              pgkeep agent run
              pgkeep agent run main orders --stop-timeout 10min --heartbeat 60
            """
    )

    @OptionGroup var options: AgentOptions
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
        try waiting {
            // Services end in the order opposite to this one.
            let group = ServiceGroup(
                configuration: ServiceGroupConfiguration(
                    services: [
                        .init(
                            service: supervisor,
                            successTerminationBehavior: .gracefullyShutdownGroup,
                            failureTerminationBehavior: .cancelGroup,
                            serviceName: "supervisor"
                        )
                    ],
                    logger: Self.quiet(log)
                )
            )
            try await group.run()
        }
        return supervisor.report
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
