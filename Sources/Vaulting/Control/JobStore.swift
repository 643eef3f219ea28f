public import Domain
import Storage

/// The jobs of a vault, `j/<stage>/<id>`: one small object for each stage a job is at.
///
/// `queued` is put when it is asked for; `live` put-if-absent by the one process that runs it, then
/// replaced as it gets on; `done` put-if-absent, which is the end; then the others are deleted. A
/// later stage counts for more, so what a crash leaves of an earlier one misleads nobody.
public struct JobStore: Sendable {
    private let vault: Vault

    /// The jobs of `vault`.
    public init(_ vault: Vault) { self.vault = vault }

    /// A new id.
    public static func newID(at time: Timestamp) -> JobID {
        JobID(time: time, random: (Vault.randomWord(), Vault.randomWord()))
    }

    // MARK: - Writing

    /// Asks for a job.
    public func queue(_ record: JobRecord) throws { try put(.queued, record) }

    /// Begins a job, one that was queued or a new one. False when another process has it, or it has
    /// ended.
    public func begin(_ record: JobRecord) throws -> Bool {
        let name = VaultNames.job(.live, record.id)
        guard try vault.store.putIfAbsent(name, try bytes(name, record)) else { return false }
        // Whoever ends a job puts its end before this name becomes free again.
        guard try vault.store.head(VaultNames.job(.done, record.id)) == nil else {
            try vault.store.delete(name)
            return false
        }
        return true
    }

    /// Says how far a job of this process is.
    public func update(_ record: JobRecord) throws { try put(.live, record) }

    /// Ends a job; durable on return. False when it was ended already: by somebody who took this
    /// process for dead, for instance.
    public func end(_ record: JobRecord) throws -> Bool {
        precondition(record.state.isEnd)
        let name = VaultNames.job(.done, record.id)
        let isMine = try vault.store.putIfAbsent(name, try bytes(name, record))
        try tidy(record.id)
        return isMine
    }

    /// Forgets a job that came to nothing worth keeping.
    public func withdraw(_ id: JobID) throws { try tidy(id) }

    /// Asks the process that runs a job to cancel it. `by` is who asks.
    public func requestStop(_ id: JobID, by: String) throws {
        let name = VaultNames.job(.stop, id)
        let frames = [(kind: FrameKind.info, bytes: try ControlJSON.encode(["by": by]))]
        let bytes = try Sealed.encode(vault, name, kind: .job, system: nil, frames: frames)
        _ = try vault.store.putIfAbsent(name, bytes)
    }

    /// Who wants the job cancelled; nil when nobody does.
    public func stopRequest(_ id: JobID) throws -> String? {
        let name = VaultNames.job(.stop, id)
        guard try vault.store.head(name) != nil,
            let content = try vault.readInfo(name, kind: .job, system: nil)
        else { return nil }
        return try ControlJSON.decode([String: String].self, content, "\(name)")["by"] ?? ""
    }

    /// Deletes jobs that ended before `moment`, and remains of ended ones; returns how many ended
    /// jobs went.
    public func removeEnded(before moment: Timestamp) throws -> Int {
        var removed = 0
        for id in try ids(.done) {
            guard id.time < moment else { break }
            // Born long ago is not ended long ago: streams run for months.
            guard let record = try readable(.done, id), record.time < moment else { continue }
            try vault.store.delete(VaultNames.job(.done, id))
            removed += 1
        }
        let queued = try ids(.queued)
        let live = Set(try ids(.live))
        let done = Set(try ids(.done))
        for id in live where done.contains(id) { try tidy(id) }
        let known = live.union(queued)
        for id in try ids(.stop) where !known.contains(id) {
            try vault.store.delete(VaultNames.job(.stop, id))
        }
        return removed
    }

    private func tidy(_ id: JobID) throws {
        for stage in [JobStage.queued, .live, .stop] {
            try vault.store.delete(VaultNames.job(stage, id))
        }
    }

    private func put(_ stage: JobStage, _ record: JobRecord) throws {
        let name = VaultNames.job(stage, record.id)
        try vault.store.put(name, try bytes(name, record))
    }

    private func bytes(_ name: ObjectName, _ record: JobRecord) throws -> [UInt8] {
        try Sealed.encode(
            vault,
            name,
            kind: .job,
            system: nil,
            frames: [(kind: .info, bytes: try ControlJSON.encode(record))]
        )
    }

    // MARK: - Reading

    /// A job as it is now; nil when there is none.
    public func read(_ id: JobID) throws -> JobRecord? {
        if let record = try read(.live, id), try !exists(.done, id) { return record }
        if let record = try read(.done, id) { return record }
        // It has ended between the two looks, or it is only queued.
        return try read(.queued, id) ?? read(.live, id) ?? read(.done, id)
    }

    /// All ids that begin with `text`.
    public func ids(beginning text: String) throws -> [JobID] {
        let wanted = text.lowercased()
        let all = try [JobStage.queued, .live, .done].flatMap { try ids($0) }
        return Set(all.filter { $0.description.hasPrefix(wanted) }).sorted()
    }

    /// Jobs that run or wait, and those that ended at or after `moment` (nil: ever), oldest first.
    ///
    /// What cannot be read is left out: a check names it.
    public func list(since moment: Timestamp? = nil) throws -> [JobRecord] {
        // In the order a job goes through them: one that moves on meanwhile is met again, not
        // missed.
        let queued = try ids(.queued)
        let live = try ids(.live)
        let done = try vault.store.list(prefix: VaultNames.jobPrefix(.done))
        var records: [JobID: JobRecord] = [:]
        var ended: Set<JobID> = []
        for object in done {
            guard case .job(_, let id) = ObjectPlace(object.name) else { continue }
            ended.insert(id)
            // Both times come before or with the end but for clocks that are far off.
            if let moment, id.time < moment, object.modified < moment { continue }
            guard let record = try readable(.done, id), moment.map({ record.time >= $0 }) ?? true
            else { continue }
            records[id] = record
        }
        for id in live where !ended.contains(id) {
            records[id] = try readable(.live, id) ?? readable(.done, id)
        }
        for id in queued where records[id] == nil && !ended.contains(id) {
            records[id] = try readable(.queued, id) ?? readable(.live, id) ?? readable(.done, id)
        }
        return records.values.sorted { $0.id < $1.id }
    }

    private func ids(_ stage: JobStage) throws -> [JobID] {
        try vault.store.list(prefix: VaultNames.jobPrefix(stage)).compactMap {
            guard case .job(_, let id) = ObjectPlace($0.name) else { return nil }
            return id
        }
    }

    private func exists(_ stage: JobStage, _ id: JobID) throws -> Bool {
        try vault.store.head(VaultNames.job(stage, id)) != nil
    }

    private func read(_ stage: JobStage, _ id: JobID) throws -> JobRecord? {
        let name = VaultNames.job(stage, id)
        guard let content = try vault.readInfo(name, kind: .job, system: nil) else { return nil }
        let record = try ControlJSON.decode(JobRecord.self, content, "the job \(name)")
        guard record.id == id else { throw PgkeepError.damaged(name, "it is another job") }
        return record
    }

    private func readable(_ stage: JobStage, _ id: JobID) throws -> JobRecord? {
        do {
            return try read(stage, id)
        } catch let error as PgkeepError where error.isDamage {
            return nil
        }
    }
}
