import Domain
import Engine
import HTTPTypes
import Hummingbird
import Platform

/// Answers requests: who may ask, which method and path, and the document that is meant.
struct AgentResponder: HTTPResponder {
    typealias Context = BasicRequestContext

    let configuration: HTTPConfiguration
    let version: String
    let clock: any Clock
    let report: @Sendable () async -> AgentReport
    let reads: VaultReads
    let count = RequestCount()

    /// Answers one request; never throws.
    func respond(to request: Request, context: Context) async throws -> Response {
        var handler = "other"
        var response: Response
        do {
            response = try await answer(request, &handler)
        } catch {
            response = HTTPFailure(error).response
        }
        response.headers[.cacheControl] = "no-store"
        response.headers[.xContentTypeOptions] = "nosniff"
        count.add(handler, code: response.status.code)
        return request.method == .head ? response.createHeadResponse() : response
    }

    private func answer(_ request: Request, _ handler: inout String) async throws -> Response {
        try checkBody(request)
        let path = request.uri.path.split(separator: "/")
        if path == ["healthz"] {
            handler = "healthz"
            try checkMethod(request)
            return document(JSONText.document(["status": "ok"]))
        }
        try checkHost(request)
        try checkToken(request)
        switch path {
        case ["metrics"]:
            handler = "metrics"
            try checkMethod(request)
            return await metrics()
        case ["readyz"]:
            handler = "readyz"
            try checkMethod(request)
            return await readiness()
        case ["v1", "agent"]:
            handler = "agent"
            try checkMethod(request)
            return document(JSONText.document(await report()))
        default: break
        }
        if request.method == .post, let id = Self.acknowledged(path) {
            handler = "acknowledge"
            return try await acknowledge(id)
        }
        let query = request.uri.queryParameters.map { ($0.key, $0.value) }
        guard path.first == "v1",
            let question = try ReadAPI.question(Array(path.dropFirst()), query)
        else { throw Self.unknown(request) }
        handler = question.handler
        try checkMethod(request)
        let answer = try await reads.answer(question.key, question.read)
        var response = document(answer.text)
        response.headers[.age] = "\(Int(answer.age))"
        response.headers[.readAt] = answer.readAt.description
        if answer.isStale { response.headers[.stale] = "true" }
        return response
    }

    private func document(_ text: String, _ status: HTTPResponse.Status = .ok) -> Response {
        Response(
            status: status,
            headers: [.contentType: JSONMedia.type],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text))
        )
    }

    /// The figures: the agent's own always, the vault's while it can be read.
    private func metrics() async -> Response {
        let version = version
        var text = MetricsText()
        let vault = try? await reads.answer("metrics", patience: 8) { context in
            let now = context.clock.now
            return Metrics.text(
                try StatusReport.read(context),
                try UsageReport.read(context),
                try AlertListing.read(context),
                version: version,
                readAt: now
            )
        }
        text.add(
            "pgkeep_vault_up",
            "1 when the vault could be read.",
            [MetricsText.Sample([], vault != nil)]
        )
        AgentMetrics.add(await report(), to: &text)
        count.add(to: &text)
        let body = (vault?.text ?? "") + text.text
        return Response(
            status: .ok,
            headers: [.contentType: MetricsText.mediaType],
            body: ResponseBody(byteBuffer: ByteBuffer(string: body))
        )
    }

    /// The alert a path `/v1/alerts/KIND/SUBJECT/ack` means.
    private static func acknowledged(_ path: [Substring]) -> String? {
        guard path.count > 3, path.starts(with: ["v1", "alerts"]), path.last == "ack" else {
            return nil
        }
        return path.dropFirst(2).dropLast().joined(separator: "/")
    }

    /// The one thing that can be written, and only where a token is asked for.
    private func acknowledge(_ id: String) async throws -> Response {
        guard configuration.token != nil else {
            throw HTTPFailure(
                status: .forbidden,
                code: .refused,
                "nothing is changed over HTTP without a token",
                hint: "start the agent with --token-file, or use pgkeep alert ack \(id)"
            )
        }
        let alert = try await reads.write { try Alerts.acknowledge($0, id, comment: "over HTTP") }
        return document(JSONText.document(alert))
    }

    private func readiness() async -> Response {
        var failure: String?
        do {
            _ = try await reads.answer("probe", patience: 3) { "\(try Instances.all($0).count)" }
        } catch {
            failure = FailureReport(error).message
        }
        let readiness = Readiness(await report(), vaultFailure: failure)
        return document(
            JSONText.document(readiness),
            readiness.isReady ? .ok : .serviceUnavailable
        )
    }
}

extension AgentResponder {
    private func checkMethod(_ request: Request) throws {
        guard request.method != .get, request.method != .head else { return }
        throw HTTPFailure(
            status: .methodNotAllowed,
            code: .refused,
            "\(request.method.rawValue) is not allowed: nothing is changed over HTTP",
            hint: "ask with GET; what changes something is a command",
            headers: [.allow: "GET, HEAD"]
        )
    }

    private func checkBody(_ request: Request) throws {
        let length = request.headers[.contentLength].map { Int($0) ?? .max } ?? 0
        guard length > HTTPConfiguration.bodyBytesMax || request.headers[.transferEncoding] != nil
        else { return }
        throw HTTPFailure(
            status: .contentTooLarge,
            "the request's body is too long or of unknown length",
            hint: "it may have \(HTTPConfiguration.bodyBytesMax) bytes"
        )
    }

    private func checkToken(_ request: Request) throws {
        guard let token = configuration.token, !token.opens(request.headers[.authorization]) else {
            return
        }
        throw HTTPFailure(
            status: .unauthorized,
            code: .refused,
            "the request shows no token, or a wrong one",
            hint: "send Authorization: Bearer and the content of the agent's token file",
            headers: [.wwwAuthenticate: "Bearer realm=\"pgkeep\""]
        )
    }

    /// Without a token, a page in a browser of this host must not read through a name of its own
    /// that it had lead here.
    private func checkHost(_ request: Request) throws {
        guard configuration.token == nil, case .tcp = configuration.address else { return }
        var host = Substring(request.head.authority ?? "")
        if let colon = host.lastIndex(of: ":"), !host.hasSuffix("]") { host = host[..<colon] }
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty, !HTTPAddress.isLoopback(host) else { return }
        throw HTTPFailure(
            status: .misdirectedRequest,
            code: .refused,
            "this host is not asked for by that name",
            hint: "ask for localhost, or have the agent ask for a token: --token-file FILE"
        )
    }

    private static func unknown(_ request: Request) -> HTTPFailure {
        HTTPFailure(
            status: .notFound,
            code: .notFound,
            "there is nothing under this path",
            hint: "there are " + ReadAPI.paths
        )
    }
}

extension HTTPField.Name {
    /// When the vault was read for an answer.
    fileprivate static var readAt: Self { name("X-Pgkeep-Read-At") }
    /// There when an answer is older than it should be, since reading anew takes long.
    fileprivate static var stale: Self { name("X-Pgkeep-Stale") }

    private static func name(_ text: String) -> Self {
        guard let name = Self(text) else { preconditionFailure("\(text) is no header's name") }
        return name
    }
}
