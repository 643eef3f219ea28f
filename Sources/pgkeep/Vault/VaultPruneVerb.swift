import ArgumentParser
import Domain
import Engine

/// `vault prune`
struct VaultPruneVerb: Verb {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Free the space of what nothing needs any more.",
        discussion: """
            Lets points go whose time is over, and removes what deleted points alone held, WAL \
            nothing within reach needs, and what killed jobs left. Safe beside \
            every other job, from cron and on several hosts at once; it \
            says nothing when there is nothing to do. Time is what the servers' clocks say, so \
            nothing of a server that is down expires, nor when this clock runs ahead. \
            A copy that is still replaying fetches WAL \
            from the vault: do not delete its point before it is up.

              pgkeep vault prune --dry-run
              pgkeep vault prune --instance main --wal-days 7
            """
    )

    @Flag(help: "Only say what would be kept and freed.")
    var dryRun = false

    @Option(
        name: .customLong("instance"),
        help: ArgumentHelp("Only what belongs to this instance.", valueName: "name")
    )
    var instanceName: String?

    @Option(
        help: ArgumentHelp(
            "Keep every moment of so many days before the newest point within reach; of older "
                + "points keep only the WAL that makes them consistent (else: as the policy says).",
            valueName: "days"
        )
    )
    var walDays: Int?

    @Flag(help: "Go by this machine's clock, whatever the servers' clocks say or it did before.")
    var trustClock = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> PruneReport {
        if let walDays { try Limits.check(walDays, "--wal-days", 0...PruneJob.walDaysMax) }
        let name = try instanceName.map { try InstanceName(checking: $0) }
        let trigger = try session.trigger(else: "manual")
        let context = try session.context()
        let instance = try name.map { try Instances.find(context, $0) }
        func prune(_ context: JobContext) throws -> PruneReport {
            try PruneJob(
                context: context,
                instance: instance,
                isDry: dryRun,
                walDays: walDays,
                trustsClock: trustClock
            ).run()
        }
        guard !dryRun else { return try prune(context) }
        let answer = try Job.run(context, kind: .prune, instance: name, trigger: trigger) { job in
            let report = try prune(job.context)
            for warning in report.instances.flatMap(\.warnings) { job.warn(warning) }
            for failed in report.failed.sorted(by: { $0.key < $1.key }) {
                job.warn("\(failed.key): \(failed.value)")
            }
            return report
        }
        try Jobs.prune(context, now: answer.believedNow)
        return answer
    }

    func failure(_ answer: PruneReport) -> PgkeepError? { answer.error }

    func lines(_ answer: PruneReport) -> [String] {
        var lines: [String] = []
        for instance in answer.instances {
            let isWorthIt = instance.hasDropped || !instance.warnings.isEmpty
            if isWorthIt || dryRun || global.verbose { lines += Self.lines(instance) }
        }
        lines += answer.trash.map {
            "\($0.instance) (trash): \($0.fate.rawValue), \(Wording.bytes($0.bytes)): \($0.reason)"
        }
        lines += answer.failed.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
        if dryRun {
            lines.append("\(Wording.bytes(answer.droppedBytes)) would be freed.")
        } else if answer.droppedBytes > 0 {
            lines.append("\(Wording.bytes(answer.droppedBytes)) freed.")
        }
        return lines
    }

    private static func lines(_ instance: PruneReport.Instance) -> [String] {
        var table = Table(["", "WHAT", "OBJECTS", "SIZE", "WHY"], numbers: [2, 3])
        func add(_ kept: Bool, _ what: String, _ tally: (Int, UInt64)?, _ why: String) {
            let count = tally.map { String($0.0) } ?? ""
            let size = tally.map { Wording.bytes($0.1) } ?? ""
            table.add([kept ? "kept" : "dropped", what, count, size, why])
        }
        for point in instance.points { add(point.kept, "point \(point.id)", nil, point.reason) }
        let packs = [
            (true, instance.packsKept, "points, drafts or running jobs need them"),
            (false, instance.packsDropped, "no point and no job needs them"),
        ]
        for (kept, tally, why) in packs where tally.count > 0 {
            add(kept, "packs", (tally.count, tally.bytes), why)
        }
        for wal in instance.wal {
            let range = "WAL \(wal.timeline): \(wal.fromLSN) to \(wal.toLSN)"
            add(wal.kept, range, (wal.objects, wal.bytes), wal.reason)
        }
        for lease in instance.leases {
            let sign = lease.beatAt.map { "last sign of life \(Wording.time($0))" }
            let what = "\(lease.kind ?? "unreadable") lease of \(lease.host)"
            add(lease.kept, what, nil, sign ?? "damaged")
        }
        if instance.garbage.count > 0 {
            let why = "roots, leases, claims, drafts, journals of what is over"
            add(false, "remains", (instance.garbage.count, instance.garbage.bytes), why)
        }
        if instance.leftovers > 0 {
            add(false, "unfinished files", (instance.leftovers, 0), "their writers were killed")
        }
        return ["\(instance.name):"] + table.lines.dropFirst().map { "  \($0)" }
            + instance.warnings.map { "  warning: \($0)" }
    }
}
