import Domain
import Vaulting

/// What is not as it should be with one instance, by what the vault knows of it. Pure.
struct InstanceConditions {
    private let record: InstanceRecord
    private let status: InstanceStatus
    private let damagedPacks: Int
    private let board: AlertBoard
    private let now: Timestamp

    /// Judges an instance; `board` knows how its jobs ended.
    init(
        _ record: InstanceRecord,
        _ status: InstanceStatus,
        damagedPacks: Int,
        board: AlertBoard,
        now: Timestamp
    ) {
        self.record = record
        self.status = status
        self.damagedPacks = damagedPacks
        self.board = board
        self.now = now
    }

    /// All that holds now.
    var all: [AlertCondition] {
        var found = purge + damage
        guard record.state == .active else { return found }
        found += backups + wal + quota + clocks + drills
        return found
    }

    private var name: InstanceName { record.name }
    private var facts: Protection.Facts { status.facts }

    private func condition(
        _ kind: AlertKind,
        severity: AlertSeverity? = nil,
        _ summary: String,
        next: String
    ) -> AlertCondition {
        let line = Redaction.withoutPasswords(
            summary.split(whereSeparator: \.isNewline).joined(separator: " ")
        )
        return AlertCondition(
            kind,
            instance: name,
            severity: severity,
            "\(name): \(line.prefix(400))",
            next: next
        )
    }

    // MARK: Points

    private var purge: [AlertCondition] {
        guard record.state == .deleted, let trash = record.trash, trash.purgingSince == nil,
            now >= trash.purgeAt.adding(seconds: -AlertLimits.purgeSeconds)
        else { return [] }
        let what = "all of it is deleted for good at \(trash.purgeAt)"
        return [condition(.purgeSoon, what, next: "pgkeep instance undelete \(name)")]
    }

    private var damage: [AlertCondition] {
        guard facts.damagedPoints + damagedPacks > 0 else { return [] }
        let what =
            facts.damagedPoints > 0
            ? "damaged recovery points: \(facts.damagedPoints)"
            : "damaged packs: \(damagedPacks); the next backup stores their pages anew"
        return [condition(.damageFound, what, next: "pgkeep vault check --instance \(name)")]
    }

    private var backups: [AlertCondition] {
        var found: [AlertCondition] = []
        let create = "pgkeep backup create \(name)"
        if let last = board.verdict(.backup, name), last.state == .failed,
            facts.newestPoint.map({ last.at > $0 }) ?? true
        {
            let why = last.message ?? last.errorCode ?? "no reason is known"
            found.append(
                condition(
                    .backupFailed,
                    "the backup of \(last.at) failed: \(why)",
                    next: "pgkeep job show \(last.job)"
                )
            )
        }
        let skip = board.skip(.backup, name)
        // A server on which nothing changes needs no backup.
        let unchanged = skip?.skipReason == SkipReason.noChange.rawValue ? skip?.at : nil
        if let newest = facts.newestPoint {
            let good = unchanged.map { max($0, newest) } ?? newest
            if now.seconds(since: good) > facts.backupDueSeconds {
                let what = "the last backup is of \(newest)"
                found.append(condition(.backupOverdue, what, next: create))
            }
        } else if now.seconds(since: facts.addedAt) > Protection.firstBackupSeconds {
            let what = "there is no recovery point to restore"
            found.append(condition(.backupOverdue, what, next: create))
        }
        let passing = [SkipReason.serverStopped, .busy, .sourceBusy].map(\.rawValue)
        if let skip, let reason = skip.skipReason, passing.contains(reason) {
            let what = "the backup due at \(skip.at) was skipped: \(reason)"
            found.append(
                condition(.backupSkipped, what, next: "pgkeep job list --instance \(name)")
            )
        }
        if facts.hasGapAhead {
            let what = "WAL after the last backup is missing: nothing behind the gap is restorable"
            found.append(condition(.walGap, what, next: create))
        }
        return found
    }

    // MARK: WAL

    private var wal: [AlertCondition] {
        // Before the first backup there is nothing WAL could carry on.
        guard facts.newestPoint != nil else { return [] }
        var found: [AlertCondition] = []
        let isConnected = facts.stream?.isConnected ?? false
        if !isConnected || status.slotState == Self.lost, let lost = lostSlot {
            let what = "WAL the vault lacks is gone from the server: \(lost)"
            let next = "pgkeep wal stream \(name) --accept-gap, then pgkeep backup create \(name)"
            found.append(condition(.slotLost, what, next: next))
        }
        if let away { found.append(away) }
        if let stream = facts.stream {
            if isConnected, stream.lagSeconds > facts.lagLimitSeconds {
                let what = "the vault is \(Int(stream.lagSeconds)) s behind the server"
                found.append(condition(.rpoBreach, what, next: "pgkeep wal status \(name)"))
            }
        } else if facts.knownUntil.map({ now.seconds(since: $0) > facts.fetchLimitSeconds }) ?? true
        {
            let when = facts.knownUntil.map { ", last at \($0)" } ?? ""
            let what = "its WAL is not streamed\(when)"
            found.append(condition(.streamDown, what, next: "pgkeep wal stream \(name)"))
        }
        let lagging = status.lagBytes.flatMap { bytes in
            bytes >= AlertLimits.retainedBytes
                ? "the server keeps \(bytes >> 30) GiB of WAL for the slot" : nil
        }
        if let what = facts.stream?.slotWarning ?? lagging {
            found.append(condition(.slotBloat, what, next: "pgkeep wal status \(name)"))
        }
        if let pause = facts.stream?.pause {
            let what = "the stream takes no WAL for now: \(pause)"
            found.append(
                condition(.vaultSpaceLow, severity: .critical, what, next: "pgkeep vault prune")
            )
        }
        return found
    }

    /// The server's word for a slot that keeps nothing any more.
    private static let lost = "lost"

    private var lostSlot: String? {
        if status.slotState == Self.lost { return "the slot is invalidated" }
        guard let last = board.verdict(.stream, name), last.state == .failed,
            [ErrorCode.slotLost.name, ErrorCode.walRemoved.name].contains(last.errorCode)
        else { return nil }
        return last.message ?? last.errorCode
    }

    /// The server is out of reach, as far as anybody has tried.
    private var away: AlertCondition? {
        let stopped = board.skip(.backup, name)?.skipReason == SkipReason.serverStopped.rawValue
        let next = "pgkeep doctor --instance \(name)"
        if let stream = facts.stream {
            // A stream that pauses has let the server go itself.
            guard !stream.isConnected, stream.pause == nil else { return nil }
            let why = stream.failure.map { ": \($0)" } ?? ""
            if stream.lagSeconds > 0 {
                let what = "the server was lost with WAL outstanding\(why)"
                return condition(.sourceAway, severity: .critical, what, next: next)
            }
            let what =
                stopped
                ? "the server is stopped; the vault has all it had"
                : "the server is out of reach; the vault has all it had before\(why)"
            return condition(.sourceAway, severity: stopped ? .info : .warning, what, next: next)
        }
        if stopped {
            return condition(.sourceAway, severity: .info, "the server is stopped", next: next)
        }
        let unreachable = [ErrorCode.sourceUnreachable.name, ErrorCode.sourceBroken.name]
        guard let last = board.verdict(.stream, name), last.state == .failed,
            unreachable.contains(last.errorCode ?? "")
        else { return nil }
        let what = "the server is out of reach: \(last.message ?? last.errorCode ?? "")"
        return condition(.sourceAway, severity: .warning, what, next: next)
    }

    // MARK: Others

    private var quota: [AlertCondition] {
        guard status.quotaExceeded else { return [] }
        let what =
            "it takes \(status.storedBytes >> 20) MiB, its quota is \(status.quotaBytes >> 20) MiB"
        return [condition(.quotaExceeded, what, next: "pgkeep vault quota \(name) VALUE")]
    }

    private var drills: [AlertCondition] {
        var found: [AlertCondition] = []
        let last = board.verdict(.drill, name)
        if let last, last.state == .failed {
            let why = last.message ?? last.errorCode ?? "no reason is known"
            let next = "pgkeep job show \(last.job)"
            found.append(
                condition(
                    .drillFailed,
                    "the restore drill of \(last.at) failed: \(why)",
                    next: next
                )
            )
        }
        guard let days = status.drillDays else { return found }
        // Of what was before anybody looked nothing is known.
        let since = last?.lastGoodAt ?? max(record.createdAt, board.begunAt ?? now)
        if now > since.adding(seconds: Int64(days + 1) * 86400) {
            let what = "no restore drill has succeeded since \(since)"
            found.append(condition(.drillStale, what, next: "pgkeep drill run \(name)"))
        }
        return found
    }

    private var clocks: [AlertCondition] {
        guard let stream = status.streamStatus, stream.isConnected, let server = stream.serverTime
        else { return [] }
        // The server speaks now and then only: that its clock is behind is sure after a while.
        let ahead = server.seconds(since: stream.at)
        let isSkewed =
            ahead > AlertLimits.skewSeconds
            || -ahead > AlertLimits.skewSeconds + AlertLimits.serverSilenceSeconds
        guard isSkewed else { return [] }
        let what = "the clocks of the server and of who streams differ by \(Int(abs(ahead))) s"
        return [condition(.clockSkew, what, next: "pgkeep doctor --instance \(name)")]
    }
}
