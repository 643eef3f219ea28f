import Domain
import Platform
import Storage

/// What is to be looked at of one instance, or of the vault's own objects, and when it last was.
final class Scrub {
    /// One thing to look at.
    private enum Unit {
        /// A position in `objects`.
        case object(Int)
        case point(PointID)
    }

    private struct Object {
        var info: ObjectInfo
        /// When it was last found sound.
        var at: Timestamp?
        /// Found sound now.
        var isSound = false
    }

    let system: SystemIdentifier?
    private let check: VaultCheck
    private let history: ScrubRecord
    private let startedAt: Timestamp
    /// Packs and finished WAL, by name.
    private var objects: [Object] = []
    /// Everything else: small, or still growing, and looked at every time.
    private var others: [ObjectInfo] = []
    private var points: [PointID] = []
    private var decoded: [PointID: ScrubRecord.Point]

    init(_ check: VaultCheck, system: SystemIdentifier?) {
        self.check = check
        self.system = system
        history = system.flatMap { check.plan.history[$0] } ?? ScrubRecord()
        startedAt = check.plan.clock.now
        decoded = Dictionary(history.points.map { ($0.id, $0) }) { first, _ in first }
    }

    /// Adds an object, in the order of names.
    func add(_ object: ObjectInfo) {
        guard Self.isLarge(object.name) else { return others.append(object) }
        let at = history.checked(object.name.text, modified: object.modified)
        objects.append(Object(info: object, at: at))
    }

    /// Adds points whose pages shall be looked at, oldest first.
    func add(_ points: [PointID]) { self.points += points }

    private static func isLarge(_ name: ObjectName) -> Bool {
        switch ObjectPlace(name) {
        case .pack: return true
        case .wal:
            if case .sealed = WALObjectName(name)?.form { return true }
            return false
        default: return false
        }
    }

    // MARK: Running

    /// Looks at everything small, then at what is due, longest not looked at first, until the
    /// budget is spent; something is looked at in any case. Leaves counts and records in the
    /// check's report.
    static func run(_ scrubs: [Scrub], _ check: VaultCheck) throws {
        for scrub in scrubs {
            for object in scrub.others { _ = try check.checkSeals(of: object) }
        }
        let begin = check.plan.clock.monotonicSeconds
        let read = check.report.bytes
        func isSpent() -> Bool {
            if let bytes = check.plan.budgetBytes, check.report.bytes - read >= bytes {
                return true
            }
            guard let seconds = check.plan.budgetSeconds else { return false }
            return check.plan.clock.monotonicSeconds - begin >= seconds
        }
        let never = Timestamp(microseconds: .min)
        let due = scrubs.flatMap { scrub in
            scrub.due().map { (scrub: scrub, unit: $0.unit, at: $0.at ?? never) }
        }
        let order = due.indices.sorted { (due[$0].at, $0) < (due[$1].at, $1) }
        var done = 0
        while done < order.count, done == 0 || !isSpent() {
            let next = due[order[done]]
            let isWhole = try next.scrub.look(at: next.unit, isSpent)
            guard isWhole else { break }
            done += 1
        }
        check.report.due = order.count - done
        for scrub in scrubs { scrub.tell() }
    }

    /// What is to be looked at; counts what is left out.
    private func due() -> [(unit: Unit, at: Timestamp?)] {
        var due: [(unit: Unit, at: Timestamp?)] = []
        func add(_ unit: Unit, _ at: Timestamp?) {
            if let at, let since = check.plan.since, at >= since {
                check.report.leftOut += 1
            } else {
                due.append((unit, at))
            }
        }
        // A point that was begun is ended first; of points never looked at, the newest counts most.
        let begun = points.filter { decoded[$0]?.next != nil }
        let rest = points.reversed().filter { decoded[$0]?.next == nil }
        for point in begun + rest {
            let known = decoded[point]
            add(.point(point), known?.next == nil ? known?.at : nil)
        }
        for (position, object) in objects.enumerated() { add(.object(position), object.at) }
        return due
    }

    /// Looks at one thing; false when the budget was spent before its end.
    private func look(at unit: Unit, _ isSpent: () -> Bool) throws -> Bool {
        switch unit {
        case .object(let position):
            objects[position].isSound = try check.checkSeals(of: objects[position].info)
            objects[position].at = startedAt
            return true
        case .point(let id):
            guard let system else { return true }
            let begun = decoded[id].flatMap { $0.next == nil ? nil : $0 }
            let first = begun?.next.flatMap(Hex.bytes) ?? []
            let before = check.found.count
            var next: [UInt8]?
            try check.examine(VaultNames.root(system, id), points: [id]) {
                let reader = try PointReader(check.vault, system, id)
                next = try PointCheck(reader, check).run(from: first, isSpent: isSpent)
            }
            decoded[id] = ScrubRecord.Point(
                id: id,
                at: begun?.at ?? startedAt,
                next: next.map(Hex.text)
            )
            // A damaged point is looked at again from its beginning.
            if next == nil, check.found.count > before { decoded[id] = nil }
            return next == nil
        }
    }

    /// Leaves what is known now in the report.
    private func tell() {
        guard let system else { return }
        var record = history
        var sound: Set<PackID> = []
        record.set(
            objects.map { object in
                guard check.found[object.info.name] == nil else {
                    return (object.info.name.text, nil)
                }
                if object.isSound, case .pack(_, let id) = ObjectPlace(object.info.name) {
                    sound.insert(id)
                }
                return (object.info.name.text, object.at)
            }
        )
        if check.level >= .decode {
            record.points = points.compactMap { decoded[$0] }
        }
        check.report.soundPacks[system] = sound
        check.report.scrubs[system] = record
    }
}
