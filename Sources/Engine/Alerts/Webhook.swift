import AsyncHTTPClient
import Domain
import NIOCore
import NIOHTTP1

/// Sends signed documents to a server of the operator's.
struct Webhook {
    private static let connectSeconds: Int64 = 5
    private static let secondsMax: Int64 = 15

    /// Sends one document; a 2xx answer is delivery. Follows no redirect.
    ///
    /// Throws `.sourceUnreachable` with words that show nothing of the address but its host.
    static func send(
        _ body: String,
        id: String,
        to channel: (url: String, secret: String, destination: String),
        at now: Timestamp
    ) async throws(PgkeepError) {
        var request = HTTPClientRequest(url: channel.url)
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/json")
        request.headers.add(name: "User-Agent", value: "pgkeep")
        request.headers.add(name: "Pgkeep-Event", value: id)
        request.headers.add(
            name: "Pgkeep-Signature",
            value: AlertDocument.signature(of: body, secret: channel.secret, at: now)
        )
        request.body = .bytes(ByteBuffer(string: body))
        let status: UInt
        do {
            status = try await answer(to: request)
        } catch {
            let words = "\(error)".replacing(channel.url, with: channel.destination).prefix(200)
            throw failed("\(channel.destination) does not answer: \(words)")
        }
        switch status {
        case 200..<300: return
        case 300..<400:
            throw failed("\(channel.destination) redirects (HTTP \(status)), which is not followed")
        default: throw failed("\(channel.destination) answered HTTP \(status)")
        }
    }

    private static func answer(to request: HTTPClientRequest) async throws -> UInt {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout = .init(
            connect: .seconds(connectSeconds),
            read: .seconds(secondsMax)
        )
        configuration.httpVersion = .http1Only
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        do {
            let response = try await client.execute(request, timeout: .seconds(secondsMax))
            // What it says is of no interest; the connection is closed with it unread.
            let status = response.status.code
            try await client.shutdown()
            return status
        } catch {
            try? await client.shutdown()
            throw error
        }
    }

    private static func failed(_ words: String) -> PgkeepError {
        PgkeepError(
            .sourceUnreachable,
            words,
            hint: "correct the address, or look at the log of its server"
        )
    }

    /// Throws `.usage` for what is no address of a web server.
    static func check(_ url: String) throws(PgkeepError) {
        let scheme = ["https://", "http://"].first { url.hasPrefix($0) }
        let host = scheme.map { url.dropFirst($0.utf8.count).prefix { !"/?#".contains($0) } }
        guard let host, !host.isEmpty, url.utf8.allSatisfy({ (33...126).contains($0) }),
            url.utf8.count <= 2000
        else {
            throw PgkeepError(
                .usage,
                "this is no address of a web server",
                hint: "give one like https://host/path"
            )
        }
    }
}
