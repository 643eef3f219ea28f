/// A stable name for one kind of failure, and the exit code it ends the program with.
///
/// Codes are what scripts match on; texts may change. The catalogue below is the whole list.
public struct ErrorCode: Hashable, Sendable, CustomStringConvertible {
    /// The stable name, for example `source.auth`.
    public let name: String
    /// The process exit code.
    public let exit: ExitStatus

    init(_ name: String, _ exit: ExitStatus) {
        self.name = name
        self.exit = exit
    }

    /// The stable name.
    public var description: String { name }
}

/// The exit codes of the program, as design.md lists them.
public enum ExitStatus: Int32, Sendable {
    /// All is done.
    case ok = 0
    /// Something nobody foresaw.
    case unexpected = 1
    /// A guard refused; the message says how it is lifted.
    case refused = 3
    /// No such instance, point, object.
    case notFound = 4
    /// The target lies outside the recovery window.
    case outsideWindow = 5
    /// Damage, tampering or a wrong key.
    case integrity = 6
    /// The source, the vault or a needed program cannot be reached or used.
    case unreachable = 7
    /// Somebody else is doing the same.
    case busy = 8
    /// The command line is wrong.
    case usage = 64
    /// Stopped by the operator (SIGINT), as shells count it.
    case cancelled = 130
}

extension ErrorCode {
    /// A failure nobody foresaw.
    public static let unexpected = ErrorCode("unexpected", .unexpected)
    /// A system call failed.
    public static let system = ErrorCode("system", .unexpected)
    /// Stopped by a signal or a request.
    public static let cancelled = ErrorCode("cancelled", .cancelled)
    /// The command line or a setting is wrong.
    public static let usage = ErrorCode("usage", .usage)
    /// A guard refused.
    public static let refused = ErrorCode("refused", .refused)
    /// The thing named does not exist.
    public static let notFound = ErrorCode("not-found", .notFound)
    /// The thing to be made exists already.
    public static let exists = ErrorCode("exists", .refused)
    /// Somebody else is doing the same.
    public static let busy = ErrorCode("busy", .busy)

    /// The target cannot be reached with what the vault holds.
    public static let outsideWindow = ErrorCode("window.outside", .outsideWindow)

    /// The PostgreSQL server cannot be reached.
    public static let sourceUnreachable = ErrorCode("source.unreachable", .unreachable)
    /// Wrong password, no such role, or no pg_hba.conf line.
    public static let sourceAuthentication = ErrorCode("source.auth", .unreachable)
    /// The role lacks a right.
    public static let sourcePrivilege = ErrorCode("source.privilege", .unreachable)
    /// A server setting is in the way.
    public static let sourceSetting = ErrorCode("source.setting", .unreachable)
    /// The server is of a version or build that is not supported.
    public static let sourceUnsupported = ErrorCode("source.unsupported", .unreachable)
    /// The server answered a statement with an error.
    public static let sourceStatement = ErrorCode("source.statement", .unreachable)
    /// The server does not send changed blocks only; a backup in full can be had.
    public static let sourceIncremental = ErrorCode("source.incremental", .unreachable)
    /// The server broke off or broke the protocol.
    public static let sourceBroken = ErrorCode("source.broken", .unreachable)
    /// Another system identifier than the one this instance was added with.
    public static let sourceForeign = ErrorCode("source.foreign", .refused)
    /// The replication slot is in use.
    public static let slotBusy = ErrorCode("source.slot-busy", .busy)
    /// The replication slot was invalidated: WAL is lost.
    public static let slotLost = ErrorCode("source.slot-lost", .unreachable)
    /// WAL asked for is no longer on the server.
    public static let walRemoved = ErrorCode("source.wal-removed", .unreachable)

    /// The vault's storage cannot be reached or used.
    public static let storeUnreachable = ErrorCode("store.unreachable", .unreachable)
    /// No space is left in the vault's storage.
    public static let storeFull = ErrorCode("store.full", .unreachable)
    /// The vault is of a newer format.
    public static let vaultVersion = ErrorCode("vault.version", .integrity)
    /// No key slot opens with this key.
    public static let wrongKey = ErrorCode("vault.wrong-key", .integrity)
    /// An object is damaged, truncated, swapped or missing.
    public static let integrity = ErrorCode("vault.integrity", .integrity)

    /// The target directory cannot be used.
    public static let targetDirectory = ErrorCode("restore.target", .refused)
    /// No space is left where the restore writes.
    public static let targetFull = ErrorCode("restore.full", .unreachable)
    /// The restored server did not come up.
    public static let recoveryFailed = ErrorCode("restore.recovery", .unexpected)
    /// A drill's copy is not what it should be.
    public static let drillUnsound = ErrorCode("drill.unsound", .integrity)
    /// A PostgreSQL program needed for this is missing.
    public static let missingProgram = ErrorCode("restore.program", .unreachable)
}
