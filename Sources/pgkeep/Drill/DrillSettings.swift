import ArgumentParser
import Domain
import Engine
import Platform
import Vaulting

/// How drills are made: options of `drill run` and `drill run-due`.
struct DrillSettings: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Where the drill makes a directory of its own (default: TMPDIR, else /var/tmp).",
            valueName: "dir"
        ),
        completion: .directory
    )
    var toDir: String?

    @Option(
        name: .customLong("check"),
        help: ArgumentHelp(
            "A file of SQL for the copy, in database postgres or the one named; may be repeated.",
            discussion: """
                Every statement must succeed, and no result may have a row whose first column is \
                the truth value false.
                """,
            valueName: "[database=]file.sql"
        ),
        completion: .file()
    )
    var checks: [String] = []

    @Flag(help: "Leave out pg_amcheck, which reads every page of the copy.")
    var noAmcheck = false

    @Option(
        name: .customLong("set"),
        help: ArgumentHelp(
            "A server setting of the copy; may be repeated.",
            valueName: "name=value"
        )
    )
    var overrides: [String] = []

    @Option(
        name: .customLong("user"),
        help: ArgumentHelp(
            "Whom the copy belongs to, when root drills (default: postgres).",
            valueName: "name"
        )
    )
    var userName: String?

    @Option(help: ArgumentHelp("Threads that fetch and write.", valueName: "number"))
    var workers = 2

    @Option(
        help: ArgumentHelp("The directory of PostgreSQL's programs.", valueName: "dir"),
        completion: .directory
    )
    var pgBin: String?

    /// Bytes a file of checks may have.
    private static let fileBytesMax = 16 << 20

    /// The options, checked; files of checks are read before anything is restored.
    func options(trigger: String) throws -> DrillOptions {
        try Limits.check(workers, "--workers", 1...16)
        let place = toDir ?? Environment.value("TMPDIR") ?? "/var/tmp"
        var options = DrillOptions(
            place: CopyTraits.absolute(place),
            program: try CopyTraits.ownProgram(),
            trigger: trigger
        )
        options.checks = try checks.map(check)
        options.looksAtPages = !noAmcheck
        options.owner = try CopyTraits.owner(userName)
        options.programs = pgBin
        options.overrides = try CopyTraits.settings(overrides)
        options.workers = workers
        return options
    }

    private func check(_ text: String) throws -> DrillOptions.Check {
        var (database, path) = ("postgres", text)
        if try FileSystem.info(text, followLinks: true) == nil,
            let equals = text.firstIndex(of: "=")
        {
            database = String(text[..<equals])
            path = String(text[text.index(after: equals)...])
        }
        do {
            let bytes = try FileSystem.readFile(path, limit: Self.fileBytesMax)
            guard let sql = String(validating: bytes, as: UTF8.self), !sql.contains("\0") else {
                throw PgkeepError(.usage, "\(path) is no text in UTF-8")
            }
            return DrillOptions.Check(name: path, sql: sql, database: database)
        } catch let error as PgkeepError {
            throw PgkeepError(
                .usage,
                "the check \(path) cannot be read",
                hint: "write it as FILE.sql or DATABASE=FILE.sql",
                cause: error
            )
        }
    }

    /// Makes a drill with an entry in the activity log, and the hook told, before and after it.
    static func drill(
        _ session: Session,
        _ context: JobContext,
        _ record: InstanceRecord,
        _ options: DrillOptions
    ) throws -> RecordedDrill.Result {
        try RecordedDrill.run(context, record, options) { job, body in
            let target =
                options.isRandom ? "a random moment" : options.spec.description
            let notices = try Notices(
                session,
                job,
                subject: "drill",
                instance: record.name,
                details: ["target": target]
            )
            return try notices.around(body)
        }
    }
}
