import Domain
import Platform
import Storage
import Vaulting

/// The gate between whoever lets something of an instance go and whoever protects it at the same
/// moment: a record that says what is decided to go, and how often something was protected.
///
/// Who lets go reads the record, then all that protects, then writes its decision, which counts
/// only when nobody has protected anything since the first step. Who protects writes its protection
/// first, then counts itself, and brings to its end what was decided before; from then on no point
/// goes in ignorance of it. No clock and no waiting is needed for that, and whoever dies in between
/// leaves a decision that others bring to its end (format spec, *Letting go*).
struct LettingGo {
    /// A point that is decided to go.
    struct Doomed: Codable, Hashable, Sendable {
        /// Which one.
        var point: PointID
        /// Why.
        var reason: String
    }

    /// What is decided.
    struct Decision: Sendable {
        /// Points that go.
        var points: [Doomed] = []
        /// The moment before which WAL goes that no point needs to become consistent.
        var horizon: Timestamp?
    }

    private struct Record: Codable, Sendable {
        var protections: UInt64 = 0
        var points: [Doomed] = []
        var horizon: Timestamp?
    }

    /// The kind of its records.
    static let kind = "letting-go"
    private static let attemptsMax = 16

    private let context: JobContext
    private let system: SystemIdentifier
    private let store: RecordStore<Record>

    /// The gate of an instance.
    init(_ context: JobContext, _ system: SystemIdentifier) {
        self.context = context
        self.system = system
        store = RecordStore(context.vault, kind: Self.kind, clock: context.clock)
    }

    // MARK: Letting go

    /// Condemns what `judge` decides, which reads everything that protects anew each time it is
    /// called. On return its points are invisible, durably, also on a full disk.
    ///
    /// Throws `.busy` when something was protected each time it had judged, and what it throws.
    func decide<Result>(_ judge: () throws -> (Decision, Result)) throws -> Result {
        for _ in 0..<Self.attemptsMax {
            let before = try read()
            try finish(before.points)
            let (decision, result) = try judge()
            let isFurther =
                decision.horizon.map { before.horizon ?? Timestamp(microseconds: .min) < $0 }
                ?? false
            if decision.points.isEmpty, !isFurther { return result }
            let isDecided = try change { record in
                guard record.protections == before.protections else { return false }
                record.points = (Set(record.points).union(decision.points))
                    .sorted { $0.point < $1.point }
                record.horizon = [record.horizon, decision.horizon].compactMap(\.self).max()
                return true
            }
            guard isDecided else { continue }
            try finish(decision.points)
            return result
        }
        throw PgkeepError(
            .busy,
            "something was protected each time it was decided what may go",
            hint: "run the command again"
        )
    }

    /// The moment before which WAL may have been let go.
    var horizon: Timestamp? { get throws { try read().horizon } }

    // MARK: Protecting

    /// Call once a protection is written: brings to its end what was decided without it, and makes
    /// void what is being judged without it. Returns the moment before which WAL may have been let
    /// go.
    @discardableResult
    func protect() throws -> Timestamp? {
        var found = Record()
        try change { record in
            found = record
            record.protections += 1
            return true
        }
        try finish(found.points)
        return found.horizon
    }

    // MARK: The record

    private func read() throws -> Record { try store.read(system.hex)?.value ?? Record() }

    /// Condemns the points of a decision; once that is done, the record need not name them.
    private func finish(_ points: [Doomed]) throws {
        guard !points.isEmpty else { return }
        for doomed in points {
            try GoneMarker.put(
                context.vault,
                system,
                doomed.point,
                reason: doomed.reason,
                clock: context.clock
            )
        }
        try change { record in
            let left = record.points.filter { !points.contains($0) }
            defer { record.points = left }
            return left.count < record.points.count
        }
    }

    /// Changes the record by `body`, anew whenever somebody was faster, until `body` says false:
    /// then nothing is written, and the answer is false. On a full disk the reserve is given up.
    @discardableResult
    private func change(_ body: (inout Record) throws -> Bool) throws -> Bool {
        for attempt in 1... {
            do {
                let stored = try store.read(system.hex)
                var record = stored?.value ?? Record()
                guard try body(&record) else { return false }
                if let stored, stored.value != nil {
                    try store.update(stored, to: record)
                } else {
                    try store.create(system.hex, record)
                }
                return true
            } catch let error as PgkeepError where error.code == .storeFull {
                guard try context.vault.store.releaseReserve() else { throw error }
            } catch let error as PgkeepError where [.busy, .exists].contains(error.code) {
                if attempt == 4 * Self.attemptsMax { throw error }
            }
        }
        return false
    }
}

extension LettingGo {
    /// As `protect`, for several instances, and so that no deletion of a whole instance that has
    /// looked before goes on: that one changes the instance's record, which changes here.
    static func protect(_ context: JobContext, all instances: [InstanceRecord]) throws {
        let records = context.vault.instances(clock: context.clock)
        for instance in instances {
            do {
                try records.change(instance.name.description) { _ in }
            } catch let error as PgkeepError where error.code == .notFound {
                continue
            }
            try LettingGo(context, instance.systemIdentifier).protect()
        }
    }
}
