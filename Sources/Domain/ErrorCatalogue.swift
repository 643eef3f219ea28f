/// What one error code means: what `errors explain` tells, and the table in Errors.md.
public struct ErrorExplanation: Hashable, Sendable, Encodable {
    /// The stable name.
    public let code: String
    /// The exit code the program ends with.
    public let exit: Int32
    /// What led to it, in one line.
    public let cause: String
    /// What to do, in one line; an error's own hint is more precise where there is one.
    public let action: String

    init(_ code: ErrorCode, _ cause: String, _ action: String) {
        self.code = code.name
        exit = code.exit.rawValue
        self.cause = cause
        self.action = action
    }
}

/// Every error code there is, with its cause and what to do.
///
/// A test compares the list with the codes in the sources and with Errors.md.
public enum ErrorCatalogue {
    /// All codes, in the order of their groups.
    public static let all: [ErrorExplanation] = general + source + vault + restore

    /// What `code` means.
    ///
    /// Throws `.notFound` for a name that is no code, with those that look like it.
    public static func explain(_ code: String) throws(PgkeepError) -> ErrorExplanation {
        if let found = all.first(where: { $0.code == code.lowercased() }) { return found }
        let near = all.map(\.code).filter { known in
            !code.isEmpty
                && (known.hasPrefix(code.lowercased())
                    || known.split(separator: ".").contains {
                        $0 == code.lowercased()
                    })
        }
        throw PgkeepError(
            .notFound,
            "there is no error code \"\(code)\"",
            hint: near.isEmpty
                ? "list them with pgkeep errors list"
                : "did you mean \(near.joined(separator: " or "))?"
        )
    }

    private static let general: [ErrorExplanation] = [
        ErrorExplanation(
            .unexpected,
            "something nobody foresaw failed: a mistake in pgkeep, or a program it calls",
            "run the command again with --verbose; report what it says if it happens again"
        ),
        ErrorExplanation(
            .system,
            "the operating system refused a call: permissions, a full or read-only file system",
            "read which path and reason the message names, mend that, and run it again"
        ),
        ErrorExplanation(
            .cancelled,
            "the command was stopped by a signal, by job cancel, or by a job that took over",
            "nothing half-done counts; run it again when you like"
        ),
        ErrorExplanation(
            .usage,
            "the command line, a variable or the config file is wrong; nothing was done",
            "correct what the message names; every command explains itself with --help"
        ),
        ErrorExplanation(
            .refused,
            "a guard stands before what was asked: a lock, a hold, the last good point, a password",
            "read which guard it is and how it is lifted; lift it only if you mean it"
        ),
        ErrorExplanation(
            .notFound,
            "there is no instance, recovery point, vault or file of that name",
            "list what there is (instance list, backup list) and correct the name"
        ),
        ErrorExplanation(
            .exists,
            "what was to be made is there already",
            "choose another name, or use what is there"
        ),
        ErrorExplanation(
            .busy,
            "another job, perhaps on another host, is doing the same or changed the same record",
            "wait until it has ended, then run the command again; from cron that is no failure"
        ),
    ]

    private static let source: [ErrorExplanation] = [
        ErrorExplanation(
            .sourceUnreachable,
            "no server answers at the instance's address, or it is starting or shutting down",
            "see that the server runs and the address is right; retry when it does"
        ),
        ErrorExplanation(
            .sourceAuthentication,
            "the server refused the login: password, missing role, or no line in pg_hba.conf",
            "add the pg_hba.conf line the message names, or the password to ~/.pgpass"
        ),
        ErrorExplanation(
            .sourcePrivilege,
            "the role lacks a right, most often REPLICATION",
            "run the GRANT or ALTER ROLE the message names as a superuser"
        ),
        ErrorExplanation(
            .sourceSetting,
            "a setting of the server is in the way, such as wal_level or max_wal_senders",
            "change it as the message says; some settings need a restart of the server"
        ),
        ErrorExplanation(
            .sourceUnsupported,
            "the server is older than 13, newer than this pgkeep, or was built with other pages",
            "upgrade the server or pgkeep"
        ),
        ErrorExplanation(
            .sourceStatement,
            "the server answered a statement with an error of its own",
            "read the server's words in the message; its log says more"
        ),
        ErrorExplanation(
            .sourceIncremental,
            "the server cannot send changed blocks only (its WAL summaries do not reach back)",
            "take the backup with --full-stream; it still stores only what changed"
        ),
        ErrorExplanation(
            .sourceBroken,
            "the connection broke, the server stopped, or it did not keep to the protocol",
            "run it again when the server is back; a backup goes on where it was"
        ),
        ErrorExplanation(
            .sourceForeign,
            "the server at the address is not the one protected: another, a copy, or left behind",
            "correct the address; a promoted copy is taken over as the message says"
        ),
        ErrorExplanation(
            .slotBusy,
            "another process streams from the replication slot",
            "let it, or stop it: one stream for an instance is enough"
        ),
        ErrorExplanation(
            .slotLost,
            "the server invalidated the replication slot: WAL the vault lacks is gone",
            "wal stream NAME --accept-gap, then backup create NAME; raise max_slot_wal_keep_size"
        ),
        ErrorExplanation(
            .walRemoved,
            "the server has removed WAL that the vault lacks",
            "wal stream NAME --accept-gap, then backup create NAME at once"
        ),
    ]

    private static let vault: [ErrorExplanation] = [
        ErrorExplanation(
            .outsideWindow,
            "the target lies outside the recovery window: too early, too late, or in a gap",
            "take one of the nearest reachable moments the message names; see window show NAME"
        ),
        ErrorExplanation(
            .storeUnreachable,
            "the vault's storage is not there or fails: not mounted, permissions, input/output",
            "mount it, mend it; what was acknowledged stays durable"
        ),
        ErrorExplanation(
            .storeFull,
            "no space is left in the vault's storage",
            "free some: vault prune works on a full disk; vault forecast tells what is needed"
        ),
        ErrorExplanation(
            .vaultVersion,
            "the vault was written by a newer pgkeep",
            "use a pgkeep at least as new"
        ),
        ErrorExplanation(
            .wrongKey,
            "no key slot opens with the key or passphrase given",
            "give the right one; vault key list, opened with another key, says what there is"
        ),
        ErrorExplanation(
            .integrity,
            "an object of the vault is damaged, missing, swapped or was tampered with",
            "vault check names the points and WAL that are hit; take a backup, mend the storage"
        ),
    ]

    private static let restore: [ErrorExplanation] = [
        ErrorExplanation(
            .targetDirectory,
            "the directory to restore into is not empty, is in use, or is the source's own",
            "name an empty or new directory with --to-dir"
        ),
        ErrorExplanation(
            .targetFull,
            "no space is left where the restore writes",
            "free some or name another directory; restore plan says how much is needed"
        ),
        ErrorExplanation(
            .recoveryFailed,
            "the restored server did not come up or ended during recovery",
            "read the log the message names; the files stay as they are"
        ),
        ErrorExplanation(
            .drillUnsound,
            "a drill's copy is not what it should be: it does not come up, or a check fails",
            "drill show ID tells which; restore by hand and look; take a backup at once"
        ),
        ErrorExplanation(
            .missingProgram,
            "a program that is needed is missing: PostgreSQL's of the same major, or a command",
            "install it, or say where it is with --pg-bin"
        ),
    ]
}
