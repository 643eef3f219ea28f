import Domain

/// Whether an agent does what it is there for: the answer of `/readyz`.
public struct Readiness: Sendable, Encodable {
    /// Something that keeps it from being ready.
    public struct Reason: Sendable, Encodable {
        /// `agent`, `vault`, or the name of an instance.
        public var subject: String
        /// What it is, in one line.
        public var what: String
        /// What helps.
        public var next: String
    }

    /// True when there is no reason against it.
    public var isReady: Bool { reasons.isEmpty }
    /// What keeps it from being ready.
    public private(set) var reasons: [Reason] = []

    private enum CodingKeys: String, CodingKey { case ready, reasons }

    /// Writes `ready` and the reasons.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(isReady, forKey: .ready)
        try container.encode(reasons, forKey: .reasons)
    }

    /// Judges what an agent tells of itself, and why the vault cannot be read, if it cannot.
    public init(_ report: AgentReport, vaultFailure: String?) {
        if report.isStopping {
            add("agent", "it is stopping", next: "wait for its successor")
        }
        if let vaultFailure {
            add("vault", vaultFailure, next: "pgkeep doctor")
        } else if report.vaultReadAt == nil {
            add("vault", "its records were not read yet", next: "wait, or see the agent's log")
        }
        for instance in report.instances where instance.owner == nil {
            add(
                instance.name.description,
                "no agent takes care of it",
                next: "wait until its lease has run out, then see the agent's log"
            )
        }
        for child in report.children { judge(child) }
    }

    /// A stream that is not at work is missed; other work is when it keeps failing.
    private mutating func judge(_ child: AgentReport.Child) {
        let isStream = child.command.starts(with: ["wal", "stream"])
        let title = "pgkeep " + child.command.joined(separator: " ")
        let failure = child.lastFailure.map { ": \($0)" } ?? ""
        switch child.state {
        case .crashLoop:
            add(subject(child), "\(title) keeps failing\(failure)", next: "run it by hand")
        case .backingOff where isStream, .waiting where isStream:
            let when = child.nextAt.map { ", it is started again at \($0)" } ?? ""
            add(subject(child), "\(title) does not run\(when)\(failure)", next: "pgkeep doctor")
        case .running, .backingOff, .waiting: break
        }
    }

    private func subject(_ child: AgentReport.Child) -> String {
        child.instance?.description ?? "agent"
    }

    private mutating func add(_ subject: String, _ what: String, next: String) {
        reasons.append(Reason(subject: subject, what: what, next: next))
    }
}
