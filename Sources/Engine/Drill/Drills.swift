public import Domain
import Vaulting

/// The receipts of a vault's drills, and what they prove of its points.
public enum Drills {
    /// What drills have shown of one instance: record `proof`, its id the system identifier.
    struct Proofs: Codable, Sendable {
        /// The last conclusive drill of each point that is still there.
        var points: [PointProof] = []
        /// The last conclusive drill of any point.
        var last: PointProof?
        /// Bytes of data files and of WAL that the last sound drill worked through in a second,
        /// when there were enough of them to tell.
        var rates: Rates?
    }

    /// What a drill has measured.
    struct Rates: Codable, Sendable {
        var baseBytesPerSecond: Double?
        var walBytesPerSecond: Double?

        enum CodingKeys: String, CodingKey {
            case baseBytesPerSecond = "base_bytes_per_second"
            case walBytesPerSecond = "wal_bytes_per_second"
        }

        /// Fewer bytes tell more of the start of a program than of its speed.
        private static let bytesMin: UInt64 = 64 << 20

        init(baseBytesPerSecond: Double?, walBytesPerSecond: Double?) {
            self.baseBytesPerSecond = baseBytesPerSecond
            self.walBytesPerSecond = walBytesPerSecond
        }

        init(_ drill: Drill) {
            func rate(_ bytes: UInt64, _ phase: String, fixed: Double) -> Double? {
                guard let seconds = drill.phases.first(where: { $0.name == phase })?.seconds,
                    bytes >= Self.bytesMin
                else { return nil }
                return Double(bytes) / max(seconds - fixed, seconds / 2, 0.01)
            }
            baseBytesPerSecond = rate(drill.bytes, "restore", fixed: 0)
            walBytesPerSecond = rate(drill.walBytes, "start", fixed: 1)
        }
    }

    private static func receipts(_ context: JobContext) -> RecordStore<Drill> {
        RecordStore(context.vault, kind: "drill", clock: context.clock)
    }

    private static func proofs(_ context: JobContext) -> RecordStore<Proofs> {
        RecordStore(context.vault, kind: "proof", clock: context.clock)
    }

    // MARK: Reading

    /// The receipts since `moment` (nil: ever), oldest first, without those that cannot be read.
    public static func list(
        _ context: JobContext,
        since moment: Timestamp? = nil,
        instance: InstanceName? = nil
    ) throws -> [Drill] {
        try receipts(context).listReadable { id in
            guard let moment else { return true }
            return JobID(id).map { $0.time >= moment } ?? false
        }.compactMap(\.value).filter { instance == nil || $0.instance == instance }
            .sorted { $0.id < $1.id }
    }

    /// The receipt of a drill; nil when there is none (yet).
    public static func read(_ context: JobContext, _ id: JobID) throws -> Drill? {
        try receipts(context).read(id.description)?.value
    }

    /// The one receipt whose id begins with `text`.
    ///
    /// Throws `.notFound` when there is none, `.usage` when there are several.
    public static func find(_ context: JobContext, _ text: String) throws -> Drill {
        let found = try receipts(context).ids().filter {
            !text.isEmpty && $0.hasPrefix(text.lowercased())
        }
        guard let id = found.first, let drill = try receipts(context).read(id)?.value else {
            throw PgkeepError(
                .notFound,
                "there is no drill \(text)",
                hint: "list them with pgkeep drill list; one that still runs is in pgkeep job list"
            )
        }
        guard found.count == 1 else {
            throw PgkeepError(
                .usage,
                "\(found.count) drills begin with \(text)",
                hint: "give more digits of the one you mean"
            )
        }
        return drill
    }

    /// What is proven of an instance's points; nothing of those no drill began with. A record that
    /// cannot be read proves nothing.
    public static func proven(
        _ context: JobContext,
        _ system: SystemIdentifier
    ) throws -> (points: [PointID: PointProof], last: PointProof?) {
        do {
            let record = try proofs(context).read(system.hex)?.value
            let pairs = (record?.points ?? []).map { ($0.point, $0) }
            return (Dictionary(pairs) { $1 }, record?.last)
        } catch let error as PgkeepError where error.isDamage {
            return ([:], nil)
        }
    }

    /// How fast restores of an instance go: as its last drill has measured it, else as assumed.
    static func rates(_ context: JobContext, _ system: SystemIdentifier) throws -> RestoreRates {
        var rates = RestoreRates.assumed
        let known: Rates?
        do {
            known = try proofs(context).read(system.hex)?.value?.rates
        } catch let error as PgkeepError where error.isDamage {
            return rates
        }
        guard let known else { return rates }
        rates.baseBytesPerSecond = known.baseBytesPerSecond ?? rates.baseBytesPerSecond
        rates.walBytesPerSecond = known.walBytesPerSecond ?? rates.walBytesPerSecond
        if known.baseBytesPerSecond != nil, known.walBytesPerSecond != nil { rates.spread = 2 }
        return rates
    }

    // MARK: Writing

    /// Removes the receipts of a cluster that is deleted for good.
    static func forget(_ context: JobContext, _ system: SystemIdentifier) throws {
        let store = receipts(context)
        for stored in try store.listReadable() where stored.value?.systemIdentifier == system {
            try store.remove(stored)
        }
    }

    /// Keeps a receipt, and what it proves. Durable on return.
    package static func keep(_ context: JobContext, _ drill: Drill) throws {
        try receipts(context).create(drill.id.description, drill)
        guard let proof = PointProof(drill) else { return }
        let system = drill.systemIdentifier
        let points = Set(try PointStore.list(context.vault, system).map(\.id))
        func change(_ known: inout Proofs) {
            known.points.removeAll { $0.point == proof.point || !points.contains($0.point) }
            known.points.append(proof)
            if known.last.map({ $0.at <= proof.at }) ?? true { known.last = proof }
            guard drill.outcome == .sound else { return }
            let measured = Rates(drill)
            known.rates = Rates(
                baseBytesPerSecond: measured.baseBytesPerSecond ?? known.rates?.baseBytesPerSecond,
                walBytesPerSecond: measured.walBytesPerSecond ?? known.rates?.walBytesPerSecond
            )
        }
        let store = proofs(context)
        if try store.read(system.hex)?.value == nil {
            var first = Proofs()
            change(&first)
            do {
                try store.create(system.hex, first)
                return
            } catch let error as PgkeepError where error.code == .exists {
                // Another drill of the instance has ended at this very moment.
            }
        }
        try store.change(system.hex, change)
    }
}
