public import Domain
import Platform

/// Finds the programs of one PostgreSQL major version on this host: a restore needs `postgres` and
/// `pg_ctl` of the very major that wrote the data.
public enum PostgresPrograms {
    /// The directory holding the programs of `major`.
    ///
    /// Looks where the operator said, then where Debian, Red Hat and the PostgreSQL packages put
    /// them, then along `PATH` (where the version must be asked, by the caller's `version`).
    /// - Throws: `.missingProgram` with what to install or to say.
    public static func directory(
        major: Int,
        given: String?,
        path: String?,
        version: (String) -> Int?
    ) throws(PgkeepError) -> String {
        if let given {
            guard try FileSystem.info(given + "/postgres", followLinks: true) != nil else {
                throw PgkeepError(
                    .missingProgram,
                    "there is no postgres program in \(given)",
                    hint: "give --pg-bin the bin directory of PostgreSQL \(major)"
                )
            }
            if let found = version(given + "/postgres"), found != major {
                throw PgkeepError(
                    .missingProgram,
                    "\(given) holds PostgreSQL \(found), not \(major)",
                    hint: "give --pg-bin the bin directory of PostgreSQL \(major)"
                )
            }
            return given
        }
        let usual = [
            "/usr/lib/postgresql/\(major)/bin", "/usr/pgsql-\(major)/bin",
            "/usr/local/pgsql-\(major)/bin", "/opt/postgresql/\(major)/bin",
        ]
        for directory in usual
        where try FileSystem.info(directory + "/postgres", followLinks: true) != nil {
            return directory
        }
        for directory in (path ?? "").split(separator: ":").map(String.init) {
            let program = directory + "/postgres"
            guard try FileSystem.info(program, followLinks: true) != nil else { continue }
            if version(program) == major { return directory }
        }
        throw PgkeepError(
            .missingProgram,
            "no programs of PostgreSQL \(major) found on this host",
            hint: "install postgresql-\(major), or name its bin directory with --pg-bin"
        )
    }

    /// The major version in the output of `postgres --version`.
    public static func major(inVersionLine line: String) -> Int? {
        guard let number = line.split(separator: " ").first(where: { $0.first?.isNumber == true })
        else { return nil }
        return Int(number.prefix { $0.isNumber })
    }
}
