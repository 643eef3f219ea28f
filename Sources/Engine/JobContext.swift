public import Logging
public import Platform
public import Vaulting

/// How often a running job writes down how far it is, and looks whether it shall end.
public enum JobPace: Sendable {
    /// Each second at first, each ten seconds when it has run for minutes.
    case calm
    /// When it begins and ends only.
    case none
}

/// Everything a job depends on: its vault, its clock, its log, who watches it and who may stop it.
public struct JobContext: Sendable {
    /// The open vault.
    public let vault: Vault
    /// The clocks.
    public let clock: any Clock
    /// The log; one line per event that matters.
    public let log: Logger
    /// Where the job counts what it does.
    public let meter: ProgressMeter
    /// The operator's wish to stop.
    public let token: CancellationToken

    /// How often a job's record tells how far it is.
    public let pace: JobPace

    /// Bundles the dependencies of one job; unless told otherwise it logs nothing.
    public init(
        vault: Vault,
        clock: any Clock = SystemClock(),
        log: Logger = Logger(label: "pgkeep") { _ in SwiftLogNoOpLogHandler() },
        meter: ProgressMeter = ProgressMeter(),
        token: CancellationToken = CancellationToken(),
        pace: JobPace = .calm
    ) {
        self.vault = vault
        self.clock = clock
        self.log = log
        self.meter = meter
        self.token = token
        self.pace = pace
    }
}
