public import Domain
import Platform
import Postgres
public import Vaulting

/// How an instance's WAL archive stands: what `wal status` shows.
public struct WALStatus: Sendable, Encodable {
    /// The instance.
    public var instance: InstanceName
    /// True when a stream is at work and connected.
    public var streaming: Bool
    /// The replication slot.
    public var slot: String?
    /// The end of the server's WAL when it last spoke to the stream.
    public var serverLSN: LSN?
    /// The end of what the stream has received.
    public var receivedLSN: LSN?
    /// The end of what is durable in the vault.
    public var durableLSN: LSN?
    /// The timeline of that.
    public var timeline: TimelineID?
    /// Bytes the server has and the vault lacks; unknown without a stream.
    public var lagBytes: UInt64?
    /// For how long the vault has lacked something; unknown without a stream.
    public var lagSeconds: Double?
    /// Whole segments in the vault.
    public var segments: Int
    /// Bytes the WAL takes in the vault.
    public var storedBytes: UInt64
    /// The time of the newest commit in the vault.
    public var lastCommitAt: Timestamp?
    /// WAL that is missing, with the cause.
    public var gaps: [RecoveryWindow.Gap]
    /// Why the stream is not connected, when it tries to be.
    public var failure: String?
    /// Why the stream takes no WAL for now: the vault's disk is nearly full.
    public var pause: String?
    /// The server that is streamed from.
    public var source: String?
    /// Bytes of WAL the slot keeps on the server.
    public var slotRetainedBytes: UInt64?
    /// Bytes that may be written before the slot is lost; nil: unlimited, or not known.
    public var safeWALBytes: UInt64?
    /// The server's word for the slot's state.
    public var slotState: String?
    /// What is wrong with the slot, in one line.
    public var slotWarning: String?
    /// Why the slot could not be looked at, or not fully.
    public var slotNote: String?

    enum CodingKeys: String, CodingKey {
        case instance, streaming, slot, timeline, segments, gaps, failure, pause, source
        case serverLSN = "server_lsn"
        case receivedLSN = "received_lsn"
        case durableLSN = "durable_lsn"
        case lagBytes = "lag_bytes"
        case lagSeconds = "lag_seconds"
        case storedBytes = "stored_bytes"
        case lastCommitAt = "last_commit_at"
        case slotRetainedBytes = "slot_retained_bytes"
        case safeWALBytes = "safe_wal_bytes"
        case slotState = "slot_state"
        case slotWarning = "slot_warning"
        case slotNote = "slot_note"
    }

    /// Writes every key, unknown values as null.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(instance, forKey: .instance)
        try container.encode(streaming, forKey: .streaming)
        try container.encode(slot, forKey: .slot)
        try container.encode(serverLSN, forKey: .serverLSN)
        try container.encode(receivedLSN, forKey: .receivedLSN)
        try container.encode(durableLSN, forKey: .durableLSN)
        try container.encode(timeline, forKey: .timeline)
        try container.encode(lagBytes, forKey: .lagBytes)
        try container.encode(lagSeconds, forKey: .lagSeconds)
        try container.encode(segments, forKey: .segments)
        try container.encode(storedBytes, forKey: .storedBytes)
        try container.encode(lastCommitAt, forKey: .lastCommitAt)
        try container.encode(gaps, forKey: .gaps)
        try container.encode(failure, forKey: .failure)
        try container.encode(pause, forKey: .pause)
        try container.encode(source, forKey: .source)
        try container.encode(slotRetainedBytes, forKey: .slotRetainedBytes)
        try container.encode(safeWALBytes, forKey: .safeWALBytes)
        try container.encode(slotState, forKey: .slotState)
        try container.encode(slotWarning, forKey: .slotWarning)
        try container.encode(slotNote, forKey: .slotNote)
    }

    /// Looks at the archive and at the stream's lease; asks no server.
    public static func read(
        _ context: JobContext,
        _ instance: InstanceRecord
    ) throws -> WALStatus {
        let system = instance.systemIdentifier
        let now = context.clock.now
        let stream = try StreamLookup.status(context.vault, system, now: now)
        let survey = try ArchiveSurvey(context, instance)
        let archive = try WALArchive.load(
            context.vault,
            system,
            segmentSize: instance.segmentSize
        )
        let newest = survey.wal.timelines.last
        let end = newest.flatMap { survey.wal.stretches(of: $0).last?.upperBound }
        var status = WALStatus(
            instance: instance.name,
            streaming: stream?.isConnected ?? false,
            slot: instance.slot,
            serverLSN: stream?.serverLSN,
            receivedLSN: stream?.receivedLSN,
            durableLSN: end,
            timeline: newest,
            lagBytes: nil,
            lagSeconds: nil,
            segments: archive.sealedCount,
            storedBytes: archive.storedBytes,
            lastCommitAt: survey.window.latest,
            gaps: survey.window.gaps,
            failure: stream?.failure,
            pause: stream?.pause,
            source: stream?.source,
            slotRetainedBytes: stream?.slotRetainedBytes,
            safeWALBytes: stream?.safeWALBytes,
            slotState: stream?.slotState,
            slotWarning: stream?.slotPressure?.warning,
            slotNote: stream?.slotNote
        )
        // The journal on disk may be ahead of what the stream last told, never behind.
        if let stream {
            let durable = max(end ?? .zero, stream.durableLSN)
            status.durableLSN = durable
            status.receivedLSN = max(stream.receivedLSN, durable)
            let server = max(stream.serverLSN, durable)
            status.serverLSN = server
            status.lagBytes = server - durable
            status.lagSeconds =
                server == durable ? 0 : max(0, now.seconds(since: stream.caughtUpAt ?? stream.at))
        }
        return status
    }
}
