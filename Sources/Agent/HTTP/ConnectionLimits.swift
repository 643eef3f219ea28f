import Hummingbird
import NIOCore
import NIOHTTP1
import NIOHTTPTypes

/// Ends connections that take too long: to send a request, to take an answer, or between two.
///
/// Each part of an exchange has one deadline which bytes that trickle in do not move, so nobody
/// holds a connection by being slow. The time the vault takes is not the client's and not counted.
final class ConnectionLimits: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// For a whole request from the first connection on.
    private static let request = TimeAmount.seconds(15)
    /// For taking a whole answer.
    private static let answer = TimeAmount.seconds(60)
    /// For the next request on an open connection; scrapes come once a minute or more often.
    private static let pause = TimeAmount.seconds(90)

    private var timer: Scheduled<Void>?
    private var unanswered = 0
    private var isReading = false
    private var isLast = false

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { arm(context, Self.request) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { disarm() }

    func channelActive(context: ChannelHandlerContext) {
        arm(context, Self.request)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        disarm()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head:
            isReading = true
            // From here on the request has its own time, however long the pause before was.
            if unanswered == 0 { arm(context, Self.request) }
        case .body: break
        case .end:
            isReading = false
            unanswered += 1
            disarm()
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let head):
            isLast = head.headerFields[.connection] == "close"
            arm(context, Self.answer)
        case .body: break
        case .end:
            let sent = promise ?? context.eventLoop.makePromise(of: Void.self)
            sent.futureResult.assumeIsolated().whenComplete { _ in self.answered(context) }
            context.write(data, promise: sent)
            return
        }
        context.write(data, promise: promise)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard unanswered == 0, case HTTPParserError.headerOverflow = error else {
            context.fireErrorCaught(error)
            return
        }
        isLast = true
        let failure = HTTPFailure(
            status: .requestHeaderFieldsTooLarge,
            "the request's headers are too long",
            hint: "they may have \(HTTPConfiguration.headerBytesMax) bytes"
        )
        let response = failure.response
        let head = HTTPResponsePart.head(response.head)
        write(context: context, data: wrapOutboundOut(head), promise: nil)
        context.write(wrapOutboundOut(.body(failure.body)), promise: nil)
        write(context: context, data: wrapOutboundOut(.end(nil)), promise: nil)
        context.flush()
    }

    private func answered(_ context: ChannelHandlerContext) {
        unanswered = max(0, unanswered - 1)
        guard !isLast else {
            context.close(promise: nil)
            return
        }
        if unanswered == 0 { arm(context, isReading ? Self.request : Self.pause) } else { disarm() }
    }

    private func arm(_ context: ChannelHandlerContext, _ time: TimeAmount) {
        disarm()
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: time) {
            context.close(promise: nil)
        }
    }

    private func disarm() {
        timer?.cancel()
        timer = nil
    }
}

@available(*, unavailable)
extension ConnectionLimits: Sendable {}
