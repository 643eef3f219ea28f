import ArgumentParser
import Domain
import Engine
import Platform
import Storage
import Vaulting

/// `restore start`
struct RestoreStart: Verb {
    static let configuration = CommandConfiguration(
        commandName: "start",
        abstract: "Restore to a moment, into a fresh directory.",
        discussion: """
            Writes the data directory and settings with which the copy recovers to the target by \
            itself and then accepts writes, whoever starts it. The copy is harmless: it does not \
            archive, replicate or run jobs, and listens on this machine only. With --run it is \
            started at once, and the command ends when it accepts writes.

              pgkeep restore start main --to-dir /restore/main --time 2026-03-14T15:09:26Z --run
              pgkeep restore start main --to-dir /restore/main --xid 7481 --exclusive
            """
    )

    @OptionGroup var instance: NameArgument

    @Option(
        help: ArgumentHelp("The new data directory: empty or not there yet.", valueName: "dir"),
        completion: .directory
    )
    var toDir: String

    @OptionGroup(title: "Target") var target: TargetOptions

    @Option(
        name: .customLong("tablespace"),
        help: ArgumentHelp(
            "Where a tablespace goes; may be repeated (default: DIR.tablespaces/OID).",
            valueName: "oid=dir"
        )
    )
    var tablespaces: [String] = []

    @Option(
        name: .customLong("set"),
        help: ArgumentHelp(
            "A server setting of the copy; may be repeated.",
            valueName: "name=value"
        )
    )
    var overrides: [String] = []

    @Flag(help: "Keep the source's settings that make a copy dangerous or reachable.")
    var inheritSettings = false

    @Flag(help: "Wait at the target, readable only, instead of accepting writes.")
    var pause = false

    @Option(
        name: .customLong("user"),
        help: ArgumentHelp(
            "Whom the copy belongs to, when root restores (default: postgres).",
            valueName: "name"
        )
    )
    var userName: String?

    @Option(help: ArgumentHelp("Threads that fetch and write.", valueName: "number"))
    var workers = 2

    @Flag(
        name: .customLong("run"),
        help: "Start the copy and follow its recovery to the end."
    )
    var starts = false

    @Option(
        help: ArgumentHelp(
            "The copy's port (default: the source's; with --run a free one from 54320 on).",
            valueName: "port"
        )
    )
    var port: Int?

    @Option(
        help: ArgumentHelp(
            "The directory of PostgreSQL's programs, for --run.",
            valueName: "dir"
        ),
        completion: .directory
    )
    var pgBin: String?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    private static let ports = 54320...54399

    func answer(_ session: Session) throws -> RestoreAnswer {
        try target.check()
        try Limits.check(workers, "--workers", 1...16)
        if let port { try Limits.check(port, "--port", 1...65535) }
        let tablespaces = try namedTablespaces()
        let settings = try CopyTraits.settings(overrides)
        let owner = try CopyTraits.owner(userName)
        let context = try session.context()
        let record = try Instances.find(context, instance.name)
        var options = RestoreOptions(
            directory: CopyTraits.absolute(toDir),
            spec: try target.spec(context),
            program: try CopyTraits.ownProgram(),
            vaultLocation: context.vault.store.location
        )
        options.tablespaces = tablespaces
        options.isHarmless = !inheritSettings
        options.pauses = pause
        options.port = port ?? (starts ? LocalPort.firstFree(in: Self.ports) : nil)
        options.overrides = settings
        options.owner = owner
        options.workers = workers
        return try Job.run(
            context,
            kind: .restore,
            instance: record.name,
            trigger: "manual"
        ) { job in
            let notices = try Notices(
                session,
                job,
                subject: "restore",
                instance: record.name,
                details: ["directory": options.directory, "target": options.spec.description]
            )
            return try notices.around { try restore(session, job, record, options) }
        }
    }

    private func restore(
        _ session: Session,
        _ job: JobHandle,
        _ record: InstanceRecord,
        _ options: RestoreOptions
    ) throws -> RestoreAnswer {
        let context = job.context
        // Whatever would keep the copy from starting is said before hours of restoring.
        let start = try starts ? CopyStart(pgBin, context, record, options) : nil
        let result = try RestoreJob(context: context, instance: record, options: options).run()
        job.setPoint(result.point.id)
        for warning in result.warnings {
            job.warn(warning)
            session.say("warning: \(warning)")
        }
        guard let start else { return RestoreAnswer(result) }
        session.say("Restored to \(result.directory); starting it.")
        return RestoreAnswer(result, try start.follow(result, context))
    }

    func lines(_ answer: RestoreAnswer) -> [String] { answer.lines }

    private func namedTablespaces() throws -> [UInt32: String] {
        var places: [UInt32: String] = [:]
        for pair in try KeyValues(tablespaces, option: "--tablespace").pairs {
            guard let oid = UInt32(pair.key), !pair.value.isEmpty else {
                throw PgkeepError(
                    .usage,
                    "--tablespace \(pair.key)=\(pair.value) names no tablespace or directory",
                    hint: "write it as OID=DIR; pgkeep backup show lists the tablespaces"
                )
            }
            places[oid] = CopyTraits.absolute(pair.value)
        }
        return places
    }
}
