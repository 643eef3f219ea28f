import Domain
import Platform
import Postgres
import Vaulting

/// Brings the timeline histories a source knows into the vault: without them no recovery can follow
/// a promotion.
enum SourceHistories {
    /// Stores the histories of all timelines up to `newest` that the server still has and the vault
    /// lacks. A missing file of an older timeline is no error: a newer one repeats its lines.
    static func store(
        _ context: JobContext,
        _ instance: InstanceRecord,
        _ settings: ConnectionSettings,
        upTo newest: TimelineID
    ) throws {
        guard newest > 1 else { return }
        let connection = try Connection(
            settings,
            kind: .physicalReplication,
            applicationName: "pgkeep",
            cancellation: context.token
        )
        // Versions up to 14 want this before they answer for a timeline.
        _ = try connection.identifySystem()
        try store(context.vault, instance.systemIdentifier, connection, upTo: newest)
    }

    /// As above, over a connection at hand.
    static func store(
        _ vault: Vault,
        _ system: SystemIdentifier,
        _ connection: Connection,
        upTo newest: TimelineID
    ) throws {
        guard newest > 1 else { return }
        let archive = TimelineArchive(vault, system)
        let known = Set(try archive.timelines())
        for timeline in 2...newest where timeline == newest || !known.contains(timeline) {
            guard let found = try connection.timelineHistory(of: timeline) else { continue }
            try archive.store(timeline, found.content)
        }
    }
}
