import Engine

extension Session {
    /// Opens the vault and bundles what a job works with.
    func context() throws -> JobContext {
        JobContext(vault: try openVault(), clock: clock, log: log, meter: meter, token: token)
    }
}
