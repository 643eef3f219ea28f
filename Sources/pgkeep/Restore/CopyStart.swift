import Domain
import Engine
import Platform
import Storage
import Vaulting

/// Starts a restored copy: looks for what it needs before the restore, follows it after.
struct CopyStart {
    private let programs: String
    private let account: UserAccount
    private let pauses: Bool

    /// Finds PostgreSQL's programs, and checks that the copy's server will read the vault.
    ///
    /// Throws `.outsideWindow` as the restore would, `.missingProgram`, `.refused`.
    init(
        _ given: String?,
        _ context: JobContext,
        _ instance: InstanceRecord,
        _ options: RestoreOptions
    ) throws {
        let plan = try ArchiveSurvey(context, instance).plan(options.spec)
        if let error = plan.error { throw error }
        if let start = plan.point?.startLSN, let end = plan.effectiveLSN, end > start {
            context.meter.plan("replay", totalBytes: end - start)
        }
        programs = try PostgresPrograms.directory(
            major: plan.point?.serverVersion.major ?? instance.serverVersion.major,
            given: given.map(FileSystem.absolute),
            path: Environment.value("PATH"),
            version: Self.major
        )
        account = options.owner ?? .current
        guard !account.isRoot else {
            throw PgkeepError(
                .usage,
                "PostgreSQL does not run as root",
                hint: "name the user it runs as with --user NAME"
            )
        }
        pauses = options.pauses
        let vault = context.vault.store.location
        let info = try FileSystem.info(vault, followLinks: true)
        guard info?.user == account.user || options.owner == nil else {
            throw PgkeepError(
                .refused,
                "the copy's server, run as \(account.name), could not read the vault \(vault)",
                hint: "run this as \(account.name), or give that user the vault directory"
            )
        }
    }

    /// Starts the copy and waits for the end of its recovery.
    func follow(_ result: RestoreResult, _ context: JobContext) throws -> RestoreAnswer {
        let server = RecoveryServer(
            programs: programs,
            directory: result.directory,
            account: account,
            pauses: pauses
        )
        let start = result.point.startLSN
        let end = max(result.plan.effectiveLSN ?? result.point.stopLSN, start)
        let outcome = try waiting {
            try await server.startAndFollow(
                range: start..<end,
                segmentSize: result.point.segmentSize,
                meter: context.meter,
                token: context.token
            )
        }
        var answer = RestoreAnswer(result)
        answer.effectiveTime = outcome.lastTransaction ?? answer.effectiveTime
        // The server names the start of the last record, the plan its end.
        answer.effectiveLSN = max(answer.effectiveLSN ?? .zero, outcome.replayedUpTo ?? .zero)
        answer.timeline = outcome.timeline ?? answer.timeline
        answer.server = Self.server(of: outcome, in: result.directory)
        return answer
    }

    /// Port and socket as the running server says them: lines 4 and 5 of `postmaster.pid`.
    private static func server(
        of outcome: RecoveryServer.Outcome,
        in directory: String
    ) -> RestoreAnswer.Server {
        let bytes = (try? FileSystem.readFile(directory + "/postmaster.pid")) ?? []
        let lines = String(decoding: bytes, as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false)
        return RestoreAnswer.Server(
            port: lines.count > 3 ? Int(lines[3]) : nil,
            socket: lines.count > 4 && !lines[4].isEmpty ? String(lines[4]) : nil,
            log: outcome.log,
            paused: outcome.isPaused
        )
    }

    /// The major version a `postgres` program says it is of.
    static func major(_ program: String) -> Int? {
        let said = try? waiting {
            try await ProgramOutput.read(program, ["--version"], limit: 4096)
        }
        return said.flatMap {
            PostgresPrograms.major(inVersionLine: String(decoding: $0, as: UTF8.self))
        }
    }
}
