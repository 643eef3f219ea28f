import Domain
import Postgres

/// The first conversation of every job that talks to a source: is it usable, and is it ours?
enum SourceCheck {
    /// Runs the preflight; throws what blocks, and `.sourceForeign` for another cluster.
    static func run(
        _ context: JobContext,
        _ settings: ConnectionSettings,
        _ expected: SystemIdentifier?
    ) throws -> Preflight {
        let preflight = try Preflight.run(
            settings,
            applicationName: "pgkeep",
            cancellation: context.token
        )
        try preflight.check()
        let found = preflight.profile.identity.systemIdentifier
        if let expected, found != expected { throw foreign(found, "the instance") }
        return preflight
    }

    /// The refusal of a server that is not the one the instance was added with.
    static func foreign(_ found: SystemIdentifier, _ name: String) -> PgkeepError {
        PgkeepError(
            .sourceForeign,
            "the server at this address is another one (system identifier \(found)) than \(name)"
                + " was added with",
            hint: "correct the address, or add this server under a new name"
        )
    }
}

extension Preflight {
    /// What does not block but should be known, each with what to do.
    var warnings: [String] {
        findings.filter { $0.severity == .warning }.map { "\($0.what); \($0.fix)" }
    }
}
