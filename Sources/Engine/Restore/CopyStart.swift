public import Domain
public import Platform
import Storage
public import Vaulting

/// Starts a restored copy: looks for what it needs before the restore, follows it after.
public struct CopyStart {
    /// A copy whose recovery has ended.
    public struct Running: Sendable {
        /// How it ended.
        public var outcome: RecoveryServer.Outcome
        /// The port of the copy's server, as it says it.
        public var port: Int?
        /// The directory of its Unix socket, as it says it.
        public var socket: String?
    }

    /// What the restore will do, as far as can be told beforehand.
    public let plan: RestorePlan
    /// The directory with the programs of the copy's major version.
    public let programs: String
    /// Whom the copy's server runs as.
    public let account: UserAccount
    private let pauses: Bool

    /// Finds PostgreSQL's programs, and checks that the copy's server will read the vault.
    ///
    /// - Parameter given: where the operator says the programs are.
    /// - Throws: `.outsideWindow` as the restore would, `.missingProgram`, `.refused`.
    public init(
        _ given: String?,
        _ context: JobContext,
        _ instance: InstanceRecord,
        _ options: RestoreOptions
    ) throws {
        plan = try ArchiveSurvey(context, instance).plan(options.spec)
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

    /// Starts the copy and waits for the end of its recovery. On return it runs.
    ///
    /// Throws `.recoveryFailed` or `.cancelled`; the copy has been stopped then.
    public func follow(_ result: RestoreResult, _ context: JobContext) throws -> Running {
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
        // Lines 4 and 5 of `postmaster.pid`.
        let bytes = (try? FileSystem.readFile(result.directory + "/postmaster.pid")) ?? []
        let lines = String(decoding: bytes, as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false)
        return Running(
            outcome: outcome,
            port: lines.count > 3 ? Int(lines[3]) : nil,
            socket: lines.count > 4 && !lines[4].isEmpty ? String(lines[4]) : nil
        )
    }

    /// The major version a `postgres` program says it is of.
    public static func major(_ program: String) -> Int? {
        let said = try? waiting {
            try await ProgramOutput.read(program, ["--version"], limit: 4096)
        }
        return said.flatMap {
            PostgresPrograms.major(inVersionLine: String(decoding: $0, as: UTF8.self))
        }
    }
}
