import Domain
import Engine
import Platform

/// What restores and drills are told of a copy, checked.
enum CopyTraits {
    /// Whom a copy is to belong to; nil for the user who runs this. PostgreSQL refuses to run as
    /// root, so what root restores belongs to somebody else.
    static func owner(_ userName: String?) throws -> UserAccount? {
        let current = UserAccount.current
        guard current.isRoot else {
            guard userName == nil || userName == current.name else {
                throw PgkeepError(
                    .usage,
                    "only root can restore for another user",
                    hint: "leave --user out, or run this as root or as \(userName ?? "")"
                )
            }
            return nil
        }
        let name = userName ?? "postgres"
        guard let account = UserAccount(named: name), !account.isRoot else {
            throw PgkeepError(
                .usage,
                "the copy cannot belong to \(name), who is root or nobody here",
                hint: "name the user PostgreSQL runs as with --user NAME"
            )
        }
        return account
    }

    /// The settings `--set` names.
    static func settings(_ pairs: [String]) throws -> [RecoverySettings.Setting] {
        try KeyValues(pairs, option: "--set").pairs.map { pair in
            let isName = pair.key.utf8.allSatisfy {
                (97...122).contains($0) || (65...90).contains($0) || (48...57).contains($0)
                    || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".")
            }
            guard isName, !pair.value.contains(where: \.isNewline) else {
                throw PgkeepError(
                    .usage,
                    "--set \(pair.key) is no setting of one line",
                    hint: "write it as NAME=VALUE, like work_mem=64MB"
                )
            }
            return RecoverySettings.Setting(pair.key, pair.value)
        }
    }

    /// The program a copy's `restore_command` is to name.
    static func ownProgram() throws -> String {
        guard let program = FileSystem.resolved("/proc/self/exe") else {
            throw PgkeepError(
                .system,
                "cannot tell where the pgkeep program is",
                hint: "mount /proc; the copy's restore_command must name the program"
            )
        }
        return program
    }

    /// A directory without slashes at its end, from the root on.
    static func absolute(_ path: String) -> String {
        var path = FileSystem.absolute(path)
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        return path
    }
}
