import Domain
private import Glibc
import Platform

/// The programs of one PostgreSQL major version found on this machine.
public struct PostgresInstallation: Sendable, CustomStringConvertible {
    /// The major version, for example 15.
    public let major: Int
    /// The directory with `postgres`, `initdb` and the others.
    public let binaries: String

    /// `PostgreSQL 15`.
    public var description: String { "PostgreSQL \(major)" }

    /// All found, oldest first: Debian's, then those `make setup` fetched.
    public static let all: [PostgresInstallation] = find()

    /// The majors every test of a version-dependent promise runs on: what is installed, and 16 and
    /// 18 in any case, so that a machine without them fails instead of testing nothing.
    /// `PGKEEP_TEST_MAJORS=18` narrows it by hand.
    public static let testedMajors: [Int] = {
        if let wished = environmentValue("PGKEEP_TEST_MAJORS") {
            return wished.split(separator: ",").compactMap { Int($0) }
        }
        return Set(all.map(\.major) + [16, 18]).sorted()
    }()

    /// False when `PGKEEP_WITHOUT_SERVERS` is set: `make test-fast`.
    public static let serversWanted = environmentValue("PGKEEP_WITHOUT_SERVERS") == nil

    /// The installation of `major`; throws when there is none.
    public static func required(_ major: Int) throws -> PostgresInstallation {
        guard let found = all.first(where: { $0.major == major }) else {
            throw PgkeepError(
                .notFound,
                "PostgreSQL \(major) is not on this machine",
                hint: "make setup"
            )
        }
        return found
    }

    /// The absolute path of one of its programs.
    public func program(_ name: String) -> String { binaries + "/" + name }

    /// Whether it carries a program of that name.
    public func has(_ name: String) -> Bool {
        ((try? FileSystem.info(program(name), followLinks: true)) ?? nil) != nil
    }

    /// Whether the extension can be created: the wheel's servers carry almost none.
    public func hasExtension(_ name: String) -> Bool {
        let runner = CommandRunner()
        guard let shared = try? runner.check(program("pg_config"), ["--sharedir"]) else {
            return false
        }
        return ((try? FileSystem.info("\(shared)/extension/\(name).control")) ?? nil) != nil
    }

    private static func find() -> [PostgresInstallation] {
        var directories = ["/usr/lib/postgresql"]
        if let named = environmentValue("PGKEEP_TEST_SERVERS") {
            directories.append(named)
        } else {
            directories.append("/var/lib/pgkeep-test-servers")
            let home = environmentValue("HOME") ?? "/"
            let cache = environmentValue("XDG_CACHE_HOME") ?? home + "/.cache"
            directories.append(cache + "/pgkeep-test-servers")
        }
        var found: [Int: PostgresInstallation] = [:]
        for directory in directories {
            for name in (try? FileSystem.list(directory)) ?? [] {
                let binaries = "\(directory)/\(name)/bin"
                guard let major = Int(name), found[major] == nil,
                    access(binaries + "/postgres", X_OK) == 0
                else { continue }
                found[major] = PostgresInstallation(major: major, binaries: binaries)
            }
        }
        return found.values.sorted { $0.major < $1.major }
    }
}
