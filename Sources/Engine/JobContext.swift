public import Logging
public import Platform
public import Vaulting

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

    /// Bundles the dependencies of one job.
    public init(
        vault: Vault,
        clock: any Clock = SystemClock(),
        log: Logger,
        meter: ProgressMeter = ProgressMeter(),
        token: CancellationToken = CancellationToken()
    ) {
        self.vault = vault
        self.clock = clock
        self.log = log
        self.meter = meter
        self.token = token
    }
}
