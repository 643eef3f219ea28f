import Domain
import Platform
import Storage

/// A mail about an alert, as `sendmail -t` takes it.
enum AlertMail {
    private static let secondsMax = 30

    /// The text with its headers. What comes from elsewhere goes into headers only as printable
    /// ASCII without line ends, so that nobody can add one.
    static func text(_ notice: AlertNotice, to address: String, id: String, host: String) -> String
    {
        let title = "[pgkeep] \(notice.severity.rawValue) \(notice.event.rawValue): \(notice.alert)"
        var lines = [
            "To: \(header(address))",
            "Subject: \(header(title))",
            "Auto-Submitted: auto-generated",
            "X-Pgkeep-Event: \(header(id))",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: 8bit",
            "",
            body(notice.summary),
            "",
        ]
        if !notice.next.isEmpty { lines += ["What helps:  \(body(notice.next))"] }
        lines += [
            "Alert:       \(body(notice.alert))",
            "Event:       \(notice.event.rawValue)",
            "Severity:    \(notice.severity.rawValue)",
            "Announced:   \(notice.at)",
        ]
        if let opened = notice.openedAt { lines.append("Opened:      \(opened)") }
        lines += [
            "Told by:     \(body(host))",
            "",
            "pgkeep alert explain \(body(notice.kind.name))",
        ]
        return lines.joined(separator: "\n") + "\n"
    }

    private static func header(_ text: String) -> String {
        String(text.unicodeScalars.map { (32...126).contains($0.value) ? Character($0) : "?" })
    }

    private static func body(_ text: String) -> String {
        String(text.unicodeScalars.map { $0.value < 32 || $0.value == 127 ? " " : Character($0) })
    }

    /// Hands a mail to `sendmail`. Throws `.missingProgram`.
    static func send(_ text: String, by sendmail: String?) async throws(PgkeepError) {
        let hint = "install a mail transfer agent, or name it with PGKEEP_SENDMAIL"
        guard let program = sendmail ?? found() else {
            throw PgkeepError(.missingProgram, "this host has no sendmail", hint: hint)
        }
        try await PipedProgram.run(
            program,
            ["-t", "-i"],
            text: text,
            what: "sendmail",
            hint: hint,
            secondsMax: secondsMax
        )
    }

    private static func found() -> String? {
        ["/usr/sbin/sendmail", "/usr/lib/sendmail", "/usr/bin/sendmail"].first {
            (try? FileSystem.info($0, followLinks: true)) ?? nil != nil
        }
    }

    /// Throws `.usage` for what is no address of one person or list.
    static func check(_ address: String) throws(PgkeepError) {
        let parts = address.split(separator: "@", omittingEmptySubsequences: false)
        let isPlain = address.utf8.allSatisfy {
            (33...126).contains($0) && !",;:<>()[]\"\\".utf8.contains($0)
        }
        let isLocal = parts.count == 1 || parts.count == 2 && !parts[1].isEmpty
        guard isPlain, isLocal, !parts[0].isEmpty, !address.hasPrefix("-"),
            address.utf8.count <= 254
        else {
            throw PgkeepError(
                .usage,
                "this is no mail address",
                hint: "give one address like ops@example.org"
            )
        }
    }
}
