import Domain
import FoundationEssentials
import Sealing

/// What commands and servers are told of an alert: one JSON document in one line.
struct AlertDocument: Encodable {
    private let id: String
    private let notice: AlertNotice
    private let vault: String
    private let host: String

    /// - Parameters:
    ///   - origin: who counts the announcements.
    ///   - vault: where the vault is.
    ///   - host: who delivers.
    init(_ notice: AlertNotice, origin: String, vault: String, host: String) {
        self.notice = notice
        self.vault = vault
        self.host = host
        // Each test is another, so that no receiver takes it for one that it has had.
        let number = notice.event == .test ? "test-\(notice.at.microseconds)" : "\(notice.number)"
        id = "\(origin)-\(number)"
    }

    /// The same at each try.
    var eventID: String { id }

    private enum CodingKeys: String, CodingKey {
        case id, number, event, alert, kind, subject, instance, severity, summary, next, at, opening
        case vault, host
        case openedAt = "opened_at"
    }

    func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(id, forKey: .id)
        try values.encode(notice.number, forKey: .number)
        try values.encode(notice.event, forKey: .event)
        try values.encode(notice.alert, forKey: .alert)
        try values.encode(notice.kind, forKey: .kind)
        try values.encode(notice.subject, forKey: .subject)
        try values.encode(notice.instance, forKey: .instance)
        try values.encode(notice.severity, forKey: .severity)
        try values.encode(notice.summary, forKey: .summary)
        try values.encode(notice.next, forKey: .next)
        try values.encode(notice.at, forKey: .at)
        try values.encode(notice.openedAt, forKey: .openedAt)
        try values.encode(notice.opening, forKey: .opening)
        try values.encode(vault, forKey: .vault)
        try values.encode(host, forKey: .host)
    }

    /// The document, ending in a newline.
    func text() throws(PgkeepError) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
        } catch {
            throw PgkeepError(.unexpected, "the announcement does not encode", cause: error)
        }
    }

    /// The header that proves where `body` comes from: `t=<seconds>,v1=<hex>`.
    static func signature(of body: String, secret: String, at now: Timestamp) -> String {
        let signed = Array("\(now.seconds).\(body)".utf8)
        let code = HMACSHA256.code(of: signed, key: Array(secret.utf8))
        return "t=\(now.seconds),v1=\(hexadecimal(code))"
    }
}
