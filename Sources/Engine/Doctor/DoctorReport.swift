import Domain

/// What an examination found: of the vault, of every source, of this host.
public struct DoctorReport: Sendable, Encodable {
    /// How a check came out, from good to bad.
    public enum Outcome: String, Sendable, Encodable {
        /// As it should be.
        case ok
        /// Good to know.
        case note
        /// Works, but somebody should look at it.
        case warning
        /// In the way of a backup or a restore.
        case failure
    }

    /// One check.
    public struct Finding: Sendable, Encodable {
        /// What was examined: `vault`, or an instance's name.
        public var subject: String
        /// Which check, in a word or two; stable.
        public var check: String
        /// How it came out.
        public var outcome: Outcome
        /// One line: what was found.
        public var what: String
        /// One line: what to run or to write where; empty when nothing is to be done.
        public var fix: String

        /// How a check came out.
        public init(
            subject: String,
            check: String,
            outcome: Outcome,
            what: String,
            fix: String
        ) {
            self.subject = subject
            self.check = check
            self.outcome = outcome
            self.what = what
            self.fix = fix
        }
    }

    /// In the order they were made: the vault first.
    public var findings: [Finding] = []

    /// How many checks failed.
    public var failures: Int { findings.count { $0.outcome == .failure } }
    /// How many gave a warning.
    public var warnings: Int { findings.count { $0.outcome == .warning } }

    /// A report to be filled.
    public init() {}

    private enum CodingKeys: CodingKey { case findings, failures, warnings }

    /// Writes the counts beside the findings.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(findings, forKey: .findings)
        try container.encode(failures, forKey: .failures)
        try container.encode(warnings, forKey: .warnings)
    }
}

/// The checks made of one subject: what throws becomes a failure with its own hint.
struct Examination {
    let subject: String
    /// Begins the text of each finding.
    private let place: String
    private(set) var findings: [DoctorReport.Finding] = []

    init(of subject: String, place: String = "") {
        self.subject = subject
        self.place = place
    }

    mutating func add(_ others: [DoctorReport.Finding]) { findings += others }

    mutating func add(
        _ outcome: DoctorReport.Outcome,
        _ check: String,
        _ what: String,
        fix: String = ""
    ) {
        findings.append(
            DoctorReport.Finding(
                subject: subject,
                check: check,
                outcome: outcome,
                what: place + what,
                fix: fix
            )
        )
    }

    mutating func fail(_ check: String, _ error: any Error) {
        let known = error as? PgkeepError
        add(
            .failure,
            check,
            known.map { $0.cause == nil ? $0.message : $0.description } ?? "\(error)",
            fix: known?.hint ?? ""
        )
    }

    /// Runs a check; nil when it failed, which is then among the findings.
    @discardableResult
    mutating func attempt<Value>(
        _ check: String,
        _ body: (inout Examination) throws -> Value
    ) -> Value? {
        do {
            return try body(&self)
        } catch {
            fail(check, error)
            return nil
        }
    }
}
