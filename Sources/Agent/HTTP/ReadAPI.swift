import Domain
import Engine
import Platform

/// The read API: which path is answered by which document of the command line.
///
/// Adding a question is one line here: the path's words, a name for what is read, and the read.
struct ReadAPI {
    /// A question: what it reads, under a name that stands for all of it.
    struct Question {
        /// One of few words, for counting.
        var handler: String
        /// Equal for equal questions.
        var key: String
        var read: VaultReads.Read

        init(
            _ handler: String,
            _ details: [String] = [],
            _ read: @escaping @Sendable (JobContext) throws -> some Encodable & SendableMetatype
        ) {
            self.handler = handler
            // Details hold no line ends: names, ids and words of a query are checked or quoted.
            key = ([handler] + details.map(\.debugDescription)).joined(separator: " ")
            self.read = { JSONText.document(try read($0)) }
        }
    }

    /// The paths, for whoever asked for another.
    static let paths =
        "/v1/status, /v1/usage, /v1/instances, /v1/instances/NAME[/window|/points|/wal], "
        + "/v1/jobs?since=7d, /v1/jobs/ID, /v1/alerts, /v1/agent, /metrics, /healthz, /readyz"

    /// The question a path below `/v1/` means; nil when there is none.
    ///
    /// Throws `.usage` for names and query words that mean nothing.
    static func question(_ path: [Substring], _ query: [(Substring, Substring)]) throws -> Question?
    {
        switch path {
        case ["status"]: return Question("status") { try StatusReport.read($0) }
        case ["usage"]: return Question("usage") { try UsageReport.read($0) }
        case ["instances"]: return Question("instances") { try InstanceListing.read($0) }
        case ["jobs"]: return try jobs(query)
        case ["alerts"]: return try alerts(query)
        default: break
        }
        switch (path.first, path.count) {
        case ("jobs", 2):
            let id = String(path[1])
            return Question("job", [id]) { try Jobs.find($0, id) }
        case ("instances", 2), ("instances", 3):
            let name = try InstanceName(checking: String(path[1]))
            return instance(name, path.count == 3 ? path[2] : nil)
        default: return nil
        }
    }

    private static func instance(_ name: InstanceName, _ part: Substring?) -> Question? {
        let details = [name.description]
        switch part {
        case nil: return Question("instance", details) { try InstanceDescription.read($0, name) }
        case "points": return Question("points", details) { try PointListing.read($0, name) }
        case "window":
            return Question("window", details) {
                try ArchiveSurvey($0, Instances.find($0, name)).window
            }
        case "wal":
            return Question("wal", details) { try WALStatus.read($0, Instances.find($0, name)) }
        default: return nil
        }
    }

    private static func alerts(_ query: [(Substring, Substring)]) throws -> Question {
        try check(query, ["all", "instance"])
        let all = query.contains { $0 == "all" && $1 != "false" }
        let instance = try query.last { $0.0 == "instance" }
            .map { try InstanceName(checking: String($0.1)) }
        return Question("alerts", ["\(all)", instance?.description ?? ""]) {
            try AlertListing.read($0, all: all, instance: instance)
        }
    }

    /// Throws `.usage` for a word of a query that nobody knows.
    private static func check(_ query: [(Substring, Substring)], _ known: [String]) throws {
        for (name, _) in query where !known.contains(String(name)) {
            throw PgkeepError(
                .usage,
                "the query knows no \(String(name).debugDescription)",
                hint: "ask with \(known.joined(separator: ", "))"
            )
        }
    }

    private static func jobs(_ query: [(Substring, Substring)]) throws -> Question {
        try check(query, ["since", "instance", "status", "kind"])
        func words(_ name: String) -> [String] {
            query.filter { $0.0 == name && !$0.1.isEmpty }.map { String($0.1) }
        }
        let (since, instance) = (words("since").last, words("instance").last)
        let (states, kinds) = (words("status"), words("kind"))
        @Sendable func question(_ now: Timestamp) throws -> JobListing.Question {
            try JobListing.Question(
                since: since,
                instance: instance,
                states: states,
                kinds: kinds,
                now: now,
                prefix: ""
            )
        }
        // Words that mean nothing are found here, not in a read of the vault.
        _ = try question(Timestamp(seconds: 0))
        let details = [since ?? "", instance ?? ""] + states.sorted() + ["/"] + kinds.sorted()
        return Question("jobs", details) {
            try JobListing.read($0, question($0.clock.now))
        }
    }
}
