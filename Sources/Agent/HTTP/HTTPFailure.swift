import Domain
import Engine
import HTTPTypes
import Hummingbird

/// A failure as HTTP tells it: a status, and the document of `--json` as the body.
struct HTTPFailure: Error {
    let status: HTTPResponse.Status
    private let report: FailureReport
    private var headers: HTTPFields = [:]

    /// A failure of the protocol's own.
    init(
        status: HTTPResponse.Status,
        code: ErrorCode = .usage,
        _ message: String,
        hint: String,
        headers: HTTPFields = [:]
    ) {
        self.status = status
        self.headers = headers
        report = FailureReport(PgkeepError(code, message, hint: hint))
    }

    /// Whatever was thrown; its exit code decides the status.
    init(_ error: any Error) {
        if let failure = error as? HTTPFailure {
            self = failure
            return
        }
        let report = FailureReport(error)
        self.report = report
        switch report.exit {
        case .usage: status = .badRequest
        case .notFound: status = .notFound
        case .refused: status = .conflict
        case .outsideWindow: status = .unprocessableContent
        case .unreachable, .busy, .cancelled: status = .serviceUnavailable
        case .ok, .unexpected, .integrity: status = .internalServerError
        }
        if status == .serviceUnavailable { headers[.retryAfter] = "5" }
    }

    /// What goes over the wire.
    var body: ByteBuffer { ByteBuffer(string: report.document) }

    /// The whole answer. After a request that could not be read to its end, the connection ends.
    var response: Response {
        var fields = headers
        fields[.contentType] = JSONMedia.type
        if status == .contentTooLarge || status == .requestHeaderFieldsTooLarge {
            fields[.connection] = "close"
        }
        return Response(status: status, headers: fields, body: ResponseBody(byteBuffer: body))
    }
}

/// The media type of all documents.
enum JSONMedia {
    static let type = "application/json; charset=utf-8"
}
