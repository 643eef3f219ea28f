import Domain
import Platform

/// A drill as build servers read test results: one case for each part and each check.
struct JUnitReport {
    private struct Case {
        var name: String
        var seconds: Double
        var failure: String?
        /// Not run, since one before it failed.
        var isSkipped = false
    }

    private let suite: String
    private let at: Timestamp
    private var cases: [Case] = []
    private let seconds: Double

    /// The report of a receipt.
    init(_ drill: Drill) {
        suite = "pgkeep drill \(drill.instance)"
        at = drill.startedAt
        seconds = drill.endedAt.seconds(since: drill.startedAt)
        let levels: [(name: String, level: Drill.Level)] = [
            ("restore", .restored), ("verify", .verified), ("start", .started),
        ]
        var hasFailed = false
        for part in levels {
            let isDone = drill.level.map { $0 >= part.level } ?? false
            let took = drill.phases.first { $0.name == part.name }?.seconds ?? 0
            let reason = [drill.errorCode, drill.message].compactMap { $0 }.joined(separator: ": ")
            cases.append(
                Case(
                    name: part.name,
                    seconds: took,
                    failure: isDone || hasFailed ? nil : reason,
                    isSkipped: hasFailed
                )
            )
            hasFailed = hasFailed || !isDone
        }
        cases += drill.checks.map { check in
            Case(
                name: check.database.map { "\(check.name) in \($0)" } ?? check.name,
                seconds: check.seconds,
                failure: check.isPassed ? nil : check.message ?? "failed"
            )
        }
        if drill.outcome != .sound, !cases.contains(where: { $0.failure != nil }) {
            cases.append(Case(name: "drill", seconds: 0, failure: drill.message ?? "failed"))
        }
    }

    /// The report of a drill that could not be begun.
    init(_ instance: InstanceName, _ error: any Error, _ now: Timestamp) {
        suite = "pgkeep drill \(instance)"
        at = now
        seconds = 0
        cases = [Case(name: "restore", seconds: 0, failure: "\(error)")]
    }

    /// The document.
    var text: String {
        let failures = cases.count { $0.failure != nil }
        let skipped = cases.count { $0.isSkipped }
        let time = String(at.description.prefix(19))
        var lines = [
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
            "<testsuites>",
            "  <testsuite name=\"\(Self.escaped(suite))\" tests=\"\(cases.count)\""
                + " failures=\"\(failures)\" errors=\"0\" skipped=\"\(skipped)\""
                + " time=\"\(Self.number(seconds))\" timestamp=\"\(time)\">",
        ]
        for part in cases {
            let head =
                "    <testcase classname=\"\(Self.escaped(suite))\""
                + " name=\"\(Self.escaped(part.name))\" time=\"\(Self.number(part.seconds))\""
            if let failure = part.failure {
                let text = Self.escaped(Redaction.withoutPasswords(failure))
                lines.append("\(head)><failure message=\"\(text)\"/></testcase>")
            } else if part.isSkipped {
                lines.append("\(head)><skipped/></testcase>")
            } else {
                lines.append("\(head)/>")
            }
        }
        return (lines + ["  </testsuite>", "</testsuites>", ""]).joined(separator: "\n")
    }

    /// Writes the document; an old one in its place is replaced whole.
    func write(to path: String) throws {
        try FileSystem.writeAtomically(
            FileSystem.absolute(path),
            Array(text.utf8),
            mode: 0o644
        )
    }

    private static func number(_ seconds: Double) -> String {
        let thousandths = Int((max(seconds, 0) * 1000).rounded())
        let rest = String(thousandths % 1000)
        return "\(thousandths / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest
    }

    /// For an attribute: what XML knows not, and characters it has no place for.
    private static func escaped(_ text: String) -> String {
        text.unicodeScalars.reduce(into: "") { result, scalar in
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case _ where scalar.value < 32: result += " "
            case "\u{fffe}", "\u{ffff}": result += "?"
            default: result.unicodeScalars.append(scalar)
            }
        }
    }
}
