import Domain
import Platform
import Postgres
import Vaulting

/// Streams one timeline over one connection into the vault, on two threads: this one talks to the
/// server, the journal's thread makes WAL durable.
struct WALReceiver {
    let vault: Vault
    let system: SystemIdentifier
    let size: WALSegmentSize
    /// The session whose lease covers the journals.
    let session: PointID
    let meter: ProgressMeter
    let token: CancellationToken
    let clock: any Clock
    /// What must stay free in the vault's store; nil: it is filled to the last byte.
    var room: StoreRoom?
    /// See `WALJournalWriter.keepsCache`.
    var keepsCache = true

    /// Streams from `start`, the first byte of a segment, until the control stops it, the token is
    /// cancelled, the timeline ends or the server stops. All that was received is durable on
    /// return.
    ///
    /// - Parameter closesPart: publish an unfinished last segment as a part whatever the end; the
    ///   end of a timeline always does.
    func run(
        on connection: Connection,
        slot: String?,
        timeline: TimelineID,
        start: LSN,
        control: WALStreamControl,
        board: StreamBoard,
        closesPart: Bool,
        heard: @escaping (WALInbox.Heard) -> Void = { _ in }
    ) throws -> WALStreamEnd {
        let archive = try WALArchive.load(vault, system, segmentSize: size)
        let inbox = try WALInbox(start: start, control: control, heard: heard)
        let keeper = KeeperBox(
            JournalKeeper(
                vault: vault,
                system: system,
                timeline: timeline,
                start: start,
                size: size,
                session: session,
                archive: archive,
                control: control,
                board: board,
                meter: meter,
                room: room,
                keepsCache: keepsCache
            )
        )
        let journal = Thread<Void>("wal-journal") {
            do {
                try keeper.value.work(inbox)
            } catch {
                inbox.abort(error)
                control.stop()
                throw error
            }
        }
        do {
            var options = WALStream.Options(slot: slot, start: start, timeline: timeline)
            options.statusInterval = 5
            let end = try WALStream.run(
                on: connection,
                options,
                control: control,
                handler: inbox,
                cancellation: token,
                clock: clock
            )
            try inbox.finish()
            try journal.join()
            if case .timelineEnded = end.reason {
                try keeper.value.closePart()
            } else if closesPart {
                try keeper.value.closePart()
            }
            return end
        } catch {
            // The server is let go first: it must not wait for a disk of ours.
            connection.close()
            // What was received before the connection broke is worth keeping: the server may never
            // come back. Only then does the journal's own error, if any, take precedence.
            try? inbox.finish()
            try journal.join()
            throw error
        }
    }

    // The journal's thread alone uses the keeper until it is joined; then this one does.
    private final class KeeperBox: @unchecked Sendable {
        let value: JournalKeeper
        init(_ value: JournalKeeper) { self.value = value }
    }
}
