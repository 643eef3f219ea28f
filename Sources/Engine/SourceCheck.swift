import Domain
import Postgres
import Vaulting

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
        let identity = preflight.profile.identity
        guard let expected else { return preflight }
        guard identity.systemIdentifier == expected else {
            throw foreign(identity.systemIdentifier, "the instance")
        }
        try refuseLeftBehind(context.vault, identity)
        return preflight
    }

    /// Refuses over a connection at hand what must not be streamed from: another cluster, a
    /// restored copy of this one, a server that a promotion has left behind.
    ///
    /// A copy and the original have the same past and may both go on as the same timeline; nothing
    /// in their WAL would tell them apart.
    static func check(
        _ context: JobContext,
        _ connection: Connection,
        _ identity: SystemIdentity,
        _ instance: InstanceRecord
    ) throws {
        guard identity.systemIdentifier == instance.systemIdentifier else {
            throw foreign(identity.systemIdentifier, instance.name.description)
        }
        if let original = try connection.restoredCopy() {
            throw PgkeepError(
                .sourceForeign,
                "the server at this address is a restored copy (of \(original))",
                hint: ServerProfile.restoredCopyFix
            )
        }
        try refuseLeftBehind(context.vault, identity)
    }

    /// Refuses a primary that has less of its timeline than the vault: it was set back, or it is
    /// another server that was promoted to the same timeline at the same place. What it writes from
    /// here on has the positions of what is archived, and other content.
    static func refuseSetBack(
        _ archive: WALArchive,
        _ identity: SystemIdentity,
        isStandby: Bool
    ) throws {
        let own = TimelineHistory.root(identity.timeline)
        guard !isStandby, let held = archive.resumption(on: own)?.position,
            held > identity.position
        else { return }
        throw PgkeepError(
            .sourceForeign,
            "the server's timeline \(identity.timeline) ends at \(identity.position), the vault has"
                + " it up to \(held): it was set back, or is another server",
            hint: "if it was set back on purpose, let it begin a timeline of its own:"
                + " restart it with a standby.signal file, then SELECT pg_promote();"
        )
    }

    /// As above, with the archive as it is now.
    static func refuseSetBack(
        _ context: JobContext,
        _ instance: InstanceRecord,
        _ profile: ServerProfile
    ) throws {
        let archive = try WALArchive.load(
            context.vault,
            instance.systemIdentifier,
            segmentSize: instance.segmentSize
        )
        try refuseSetBack(archive, profile.identity, isStandby: profile.isInRecovery)
    }

    /// A server on an older timeline than the archive's writes what no later restore will follow.
    private static func refuseLeftBehind(_ vault: Vault, _ identity: SystemIdentity) throws {
        let known = try TimelineArchive(vault, identity.systemIdentifier).timelines()
        guard let newest = known.max(), newest > identity.timeline else { return }
        throw PgkeepError(
            .sourceForeign,
            "the server is on timeline \(identity.timeline), the vault already on \(newest)",
            hint: "this server was left behind by a promotion; point the instance at the new one"
        )
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
