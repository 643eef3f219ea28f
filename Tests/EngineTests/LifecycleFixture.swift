import Domain
import Engine
import Platform
import Storage
import TestSupport
import Testing
import Vaulting

/// An instance `main` whose server is gone, with points of made-up files, driven in this process,
/// where days can pass.
struct LifecycleFixture {
    let instance: SyntheticInstance
    let context: JobContext
    let name: InstanceName

    var clock: ManualClock { instance.clock }

    /// With so many points, a day apart.
    init(points: Int = 3) throws {
        instance = try SyntheticInstance()
        context = JobContext(vault: instance.vault, clock: instance.clock)
        name = try InstanceName(checking: "main")
        try instance.vault.instances(clock: instance.clock).create(
            name.description,
            InstanceRecord(
                name: name,
                systemIdentifier: SyntheticInstance.system,
                source: "host=/nonexistent",
                slot: "pgkeep_main",
                serverVersion: ServerVersion(number: 180_000),
                segmentSize: .standard,
                createdAt: instance.clock.now
            )
        )
        var random = SeededRandom(stream: "lifecycle")
        for number in 0..<points {
            instance.files["base/5/\(number)"] = TarMaker.File(random.bytes(3 * 8192))
            let parent = try self.points().last
            _ = try instance.backUp(after: parent)
            clock.advance(seconds: 86400)
        }
    }

    /// The visible points, oldest first.
    func points() throws -> [PointID] {
        try PointStore.list(instance.vault, SyntheticInstance.system).map(\.id)
    }

    func record() throws -> InstanceRecord { try Instances.findAny(context, name) }

    func advance(days: Double) { clock.advance(seconds: days * 86400) }

    @discardableResult
    func stop(_ retention: StopInstance.Retention) throws -> StopInstance.Outcome {
        try StopInstance(context: context, name: name, retention: retention).run()
    }

    /// Deletes without token, as `instance stop --delete-data` does.
    @discardableResult
    func delete() throws -> DeleteInstance.Outcome {
        let options = DeleteInstance.Options(confirmedName: "main", reason: .test)
        return try DeleteInstance(context: context, name: name, options: options).run()
    }

    @discardableResult
    func prune() throws -> PruneReport { try PruneJob(context: context).run() }

    /// Expects an error with this code, whose text and advice contain the words.
    func refuses<Result>(
        _ code: ErrorCode,
        _ words: String...,
        sourceLocation: SourceLocation = #_sourceLocation,
        _ body: () throws -> Result
    ) {
        do {
            _ = try body()
            Issue.record("nothing was refused", sourceLocation: sourceLocation)
        } catch let error as PgkeepError {
            #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
            for word in words {
                #expect(
                    error.message.contains(word) || error.hint.contains(word),
                    "\"\(word)\" is not in: \(error.message) → \(error.hint)",
                    sourceLocation: sourceLocation
                )
            }
        } catch {
            Issue.record(error, sourceLocation: sourceLocation)
        }
    }
}
