import Platform
public import ServiceLifecycle

/// Tells the service manager that the agent is at work, that it lives, and that it ends.
public struct SignsOfLife: Service {
    private let notice: ServiceNotice
    private let report: @Sendable () async -> AgentReport

    /// Seconds between two looks, at most.
    private static let pauseSecondsMax = 5.0

    /// Nil when nobody waits for a word.
    ///
    /// - Parameter report: asked before each sign of life, so that an agent which cannot tell of
    ///   itself any more gives none.
    public init?(report: @escaping @Sendable () async -> AgentReport) {
        guard let notice = ServiceNotice() else { return nil }
        self.notice = notice
        self.report = report
    }

    /// Tells it until graceful shutdown.
    public func run() async throws {
        notice.tell(.ready)
        // Twice within the time, and once more for a busy machine.
        let wanted = ServiceNotice.watchdogSeconds.map { $0 / 3 } ?? Self.pauseSecondsMax
        let pause = min(wanted, Self.pauseSecondsMax)
        var isStopping = false
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            let report = await report()
            if report.isStopping, !isStopping {
                isStopping = true
                notice.tell(.stopping)
            }
            notice.tell(.watchdog, .status(Self.status(report)))
            try? await cancelWhenGracefulShutdown {
                try await Task.sleep(for: .seconds(pause))
            }
        }
        if !isStopping { notice.tell(.stopping) }
    }

    private static func status(_ report: AgentReport) -> String {
        if report.isStopping { return "ending in good order" }
        let owned = report.instances.count(where: \.isOwned)
        let running = report.children.count { $0.state == .running }
        let failing = report.children.count { $0.state == .crashLoop }
        return "instances: \(owned) of \(report.instances.count), children: \(running)"
            + (failing > 0 ? ", failing: \(failing)" : "")
    }
}
