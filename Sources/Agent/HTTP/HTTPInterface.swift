import Domain
import Engine
import Glibc
import Hummingbird
import HummingbirdCore
public import Logging
import NIOCore
import NIOPosix
public import Platform
public import ServiceLifecycle

/// Metrics, health and the read API of an agent, over HTTP/1.1.
///
/// It reads only, on threads of its own, and never ends the agent: where it cannot listen it says
/// so once and tries again.
public struct HTTPInterface: Service {
    private let configuration: HTTPConfiguration
    private let responder: AgentResponder
    private let log: Logger

    /// Seconds between two tries to listen.
    private static let retrySeconds = 15.0

    /// An interface that is at work while `run` is.
    ///
    /// - Parameters:
    ///   - version: the program's.
    ///   - vault: what is read, on threads that may wait.
    ///   - report: what the agent tells of itself at this moment.
    public init(
        _ configuration: HTTPConfiguration,
        version: String,
        log: Logger,
        clock: any Clock = SystemClock(),
        vault: SharedVault,
        report: @escaping @Sendable () async -> AgentReport
    ) {
        self.configuration = configuration
        self.log = log
        responder = AgentResponder(
            configuration: configuration,
            version: version,
            clock: clock,
            report: report,
            reads: VaultReads(vault, clock: clock)
        )
    }

    /// Serves until graceful shutdown: requests at work are answered, then it returns.
    public func run() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        var lastFailure = ""
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            do {
                try await serve(group)
                break
            } catch {
                guard !(error is CancellationError) else { break }
                let failure = FailureReport(error)
                // Once, not at every try.
                if failure.message != lastFailure {
                    lastFailure = failure.message
                    log.error(
                        "metrics and health are not served",
                        metadata: [
                            "address": "\(configuration.address)", "reason": "\(failure.message)",
                            "hint": "\(failure.hint)",
                        ]
                    )
                }
                try? await cancelWhenGracefulShutdown {
                    try await Task.sleep(for: .seconds(Self.retrySeconds))
                }
            }
        }
        try? await group.shutdownGracefully()
    }

    private func serve(_ group: MultiThreadedEventLoopGroup) async throws {
        var place: SocketPlace?
        let bind: BindAddress
        switch configuration.address {
        case .tcp(let host, let port): bind = .hostname(host, port: port)
        case .unix(let path):
            place = try SocketPlace(path)
            bind = .unixDomainSocket(path: path)
        }
        var quiet = log
        // The library's own lines repeat ours.
        quiet.logLevel = max(log.logLevel, .warning)
        let application = Application(
            responder: responder,
            server: .http1(
                configuration: HTTP1Channel.Configuration(
                    additionalChannelHandlers: [ConnectionLimits()],
                    httpDecoderConfiguration: .init(
                        maxHeaderFieldSize: HTTPConfiguration.headerBytesMax,
                        maxHeaderListSize: HTTPConfiguration.headerBytesMax,
                        maxHeaderFieldCount: 64
                    )
                )
            ),
            configuration: ApplicationConfiguration(
                address: bind,
                availableConnectionsDelegate: .maximum(
                    HTTPConfiguration.connectionsMax,
                    logger: quiet
                )
            ),
            onServerRunning: { [configuration, log] channel in
                Self.began(configuration, channel, log)
            },
            eventLoopGroupProvider: .shared(group),
            logger: quiet
        )
        do {
            try await application.run()
        } catch let error as IOError {
            throw PgkeepError.system(
                "listen on",
                configuration.address.description,
                errno: error.errnoCode,
                code: error.errnoCode == EADDRINUSE ? .busy : .system
            )
        }
        withExtendedLifetime(place) {}
    }

    private static func began(
        _ configuration: HTTPConfiguration,
        _ channel: any NIOCore.Channel,
        _ log: Logger
    ) {
        var address = configuration.address
        switch address {
        case .unix(let path):
            do {
                try FileSystem.setMode(path, configuration.socketMode)
            } catch {
                log.warning("the socket's mode stays", metadata: ["reason": "\(error)"])
            }
        case .tcp(let host, _):
            address = .tcp(host: host, port: channel.localAddress?.port ?? 0)
        }
        log.notice("metrics and health are served", metadata: ["address": "\(address)"])
    }
}
