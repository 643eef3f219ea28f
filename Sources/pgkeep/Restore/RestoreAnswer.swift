import Domain
import Engine

/// What `restore start` did, and where the started copy is.
struct RestoreAnswer: Encodable {
    /// A copy that was started.
    struct Server: Encodable {
        var port: Int?
        /// The directory of its Unix socket.
        var socket: String?
        var log: String
        /// True when it waits at the target instead of accepting writes.
        var paused: Bool
    }

    let result: RestoreResult
    /// Nil when it was not started.
    var server: Server?
    /// The time of the last transaction in the copy: planned, or as its server says.
    var effectiveTime: Timestamp?
    /// Where replay ends or ended.
    var effectiveLSN: LSN?
    var timeline: TimelineID?

    /// A copy that was not started.
    init(_ result: RestoreResult) {
        self.result = result
        effectiveTime = result.plan.effectiveTime
        effectiveLSN = result.plan.effectiveLSN
        timeline = result.plan.timeline
    }

    /// A copy that was started.
    init(_ result: RestoreResult, _ running: CopyStart.Running) {
        self.init(result)
        let outcome = running.outcome
        effectiveTime = outcome.lastTransaction ?? effectiveTime
        // The server names the start of the last record, the plan its end.
        effectiveLSN = max(effectiveLSN ?? .zero, outcome.replayedUpTo ?? .zero)
        timeline = outcome.timeline ?? timeline
        server = Server(
            port: running.port,
            socket: running.socket,
            log: outcome.log,
            paused: outcome.isPaused
        )
    }

    private var requestedTime: Timestamp? {
        if case .time(let time) = result.plan.spec.target { time } else { nil }
    }

    private enum CodingKeys: String, CodingKey {
        case instance, point, directory, target, timeline, files, bytes, seconds, warnings, server
        case requestedTime = "requested_time"
        case effectiveTime = "effective_time"
        case effectiveLSN = "effective_lsn"
        case tablespaces
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(result.plan.instance, forKey: .instance)
        try container.encode(result.point.id, forKey: .point)
        try container.encode(result.directory, forKey: .directory)
        try container.encode(result.plan.spec, forKey: .target)
        try container.encode(requestedTime, forKey: .requestedTime)
        try container.encode(effectiveTime, forKey: .effectiveTime)
        try container.encode(effectiveLSN, forKey: .effectiveLSN)
        try container.encode(timeline, forKey: .timeline)
        try container.encode(result.files, forKey: .files)
        try container.encode(result.bytes, forKey: .bytes)
        try container.encode(result.seconds, forKey: .seconds)
        try container.encode(result.warnings, forKey: .warnings)
        try container.encode(server, forKey: .server)
        let places = result.tablespaces.map { (String($0.key), $0.value) }
        try container.encode(Dictionary(uniqueKeysWithValues: places), forKey: .tablespaces)
    }

    /// In words.
    var lines: [String] {
        var facts = Facts()
        facts.add("directory", result.directory)
        for (oid, path) in result.tablespaces.sorted(by: { $0.key < $1.key }) {
            facts.add("tablespace \(oid)", path)
        }
        facts.add("from point", result.point.id.description)
        facts.add("requested", result.plan.spec.description)
        facts.add(server == nil ? "will lead to" : "leads to", effectiveTime.map { "\($0)" })
        facts.add("position", effectiveLSN?.description)
        facts.add(
            "written",
            "\(Wording.count(result.files, "file")), \(Wording.bytes(result.bytes)) "
                + "in \(Wording.duration(result.seconds))"
        )
        guard let server else {
            return facts.lines + ["Start it: pg_ctl start -D \(result.directory)"]
        }
        facts.add("timeline", timeline.map { String($0) })
        facts.add("port", server.port.map { String($0) })
        facts.add("socket", server.socket)
        let end =
            server.paused
            ? "The copy runs and waits at the target; pg_wal_replay_resume() lets it go on."
            : "The copy runs and accepts writes."
        return facts.lines + [end]
    }
}
