import Platform
import Synchronization

/// What a job has done so far, as numbers a line or a JSON document can show.
public struct Progress: Sendable {
    /// A word for what is going on: `checkpoint`, `copy`, `wal`, `commit`, `fetch`, `sync`,
    /// `replay`.
    public var phase: String
    /// Bytes done in this phase.
    public var doneBytes: UInt64
    /// Bytes this phase will have done, when known. Grows rather than lies when a guess was low.
    public var totalBytes: UInt64?
    /// One line of free text: an LSN, a file name.
    public var note: String

    /// A state of a job.
    public init(phase: String, doneBytes: UInt64 = 0, totalBytes: UInt64? = nil, note: String = "")
    {
        self.phase = phase
        self.doneBytes = doneBytes
        self.totalBytes = totalBytes
        self.note = note
    }
}

/// Counts what a job's threads do and lets others look at it at any time.
///
/// Writers add bytes without a lock; phases change rarely. Within a phase the bytes only grow.
public final class ProgressMeter: Sendable {
    private struct Text {
        var phase = "start"
        var total: UInt64?
        var note = ""
    }
    private struct Watcher {
        var begun: (@Sendable (_ ended: Progress, _ next: String) -> Void)?
        var planned: [String: UInt64] = [:]
    }
    private let done = Atomic<UInt64>(0)
    private let text = Mutex(Text())
    private let watcher = Mutex(Watcher())

    /// A meter at zero.
    public init() {}

    /// Begins a phase: bytes start at zero again.
    public func begin(_ phase: String, totalBytes: UInt64? = nil, note: String = "") {
        watcher.withLock { $0.begun }?(progress, phase)
        text.withLock { text in
            text = Text(phase: phase, total: totalBytes, note: note)
            done.store(0, ordering: .relaxed)
        }
    }

    /// Counts bytes done.
    public func add(_ bytes: UInt64) { done.add(bytes, ordering: .relaxed) }

    /// Says what is being worked on.
    public func note(_ note: String) { text.withLock { $0.note = note } }

    /// Corrects the expected total.
    public func expect(totalBytes: UInt64?) { text.withLock { $0.total = totalBytes } }

    /// Says beforehand how many bytes a later phase will have, for estimates of the whole.
    public func plan(_ phase: String, totalBytes: UInt64) {
        watcher.withLock { $0.planned[phase] = totalBytes }
    }

    /// Bytes of phases to come, as far as they were said.
    var planned: [String: UInt64] { watcher.withLock { $0.planned } }

    /// Has `begun` called whenever a phase begins, on the thread that begins it, until `unwatch`;
    /// forgets what was planned before. One watcher at a time.
    func watch(_ begun: @escaping @Sendable (_ ended: Progress, _ next: String) -> Void) {
        watcher.withLock { $0 = Watcher(begun: begun) }
    }

    /// Ends `watch`.
    func unwatch() { watcher.withLock { $0 = Watcher() } }

    /// The state now.
    public var progress: Progress {
        text.withLock { text in
            let bytes = done.load(ordering: .relaxed)
            return Progress(
                phase: text.phase,
                doneBytes: bytes,
                totalBytes: text.total.map { max($0, bytes) },
                note: text.note
            )
        }
    }
}
