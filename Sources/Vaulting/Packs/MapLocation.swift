/// Where a page of a region lies: a position in the map's pack table and a page number, or nowhere
/// because it is all zeros.
public struct MapLocation: Hashable, Sendable {
    // Position in the high half, page number in the low half: maps hold 131072 of these.
    let raw: UInt64

    init(raw: UInt64) { self.raw = raw }

    /// A page in the pack at position `pack` of the table.
    public init(pack: UInt32, page: UInt32) {
        raw = UInt64(pack) << 32 | UInt64(page)
    }

    /// A page that is all zeros and stored nowhere.
    public static let zero = MapLocation(raw: .max)

    /// True for a page stored nowhere.
    public var isZero: Bool { self == .zero }
    /// The position in the pack table.
    public var pack: UInt32 { UInt32(truncatingIfNeeded: raw >> 32) }
    /// The page's number in the pack.
    public var page: UInt32 { UInt32(truncatingIfNeeded: raw) }
}

/// Consecutive pages of a file that are consecutive in a pack, or consecutive zero pages.
public struct LocationRun: Hashable, Sendable {
    /// Where the first page lies; `.zero` for a run of zero pages.
    public var location: MapLocation
    /// Pages, at least 1.
    public var length: Int
}

/// The run-length coding of location columns, as the format's *Runs* say.
enum LocationRuns {
    /// Remembers where the last run in each pack ended; the last pack needs no lookup.
    private struct Cursors {
        private var pack: UInt32 = 0
        private var end: UInt32 = 0
        private var others: [UInt32: UInt32] = [:]

        mutating func take(_ wanted: UInt32) -> UInt32 {
            guard wanted != pack else { return end }
            others[pack] = end
            pack = wanted
            end = others[wanted] ?? 0
            return end
        }

        mutating func set(_ value: UInt32) { end = value }
    }

    /// Appends the runs of `locations`; `ordinal` turns a table position into what is written.
    static func encode(
        _ locations: some Collection<MapLocation>,
        into writer: inout ByteWriter,
        ordinal: (UInt32) -> UInt32 = { $0 }
    ) {
        var cursors = Cursors()
        forEachRun(locations) { run in
            guard !run.location.isZero else {
                writer.appendVarint(UInt64(run.length) << 1 | 1)
                return
            }
            let pack = ordinal(run.location.pack)
            writer.appendVarint(UInt64(run.length) << 1)
            writer.appendVarint(UInt64(pack))
            writer.appendZigzag(Int64(run.location.page) - Int64(cursors.take(pack)))
            cursors.set(run.location.page + UInt32(run.length))
        }
    }

    /// Calls `body` with the longest runs of `locations`, in order.
    static func forEachRun(
        _ locations: some Collection<MapLocation>,
        _ body: (LocationRun) throws -> Void
    ) rethrows {
        var run: LocationRun?
        for location in locations {
            if let open = run {
                let follows =
                    open.location.isZero
                    ? location.isZero
                    : location.raw == open.location.raw + UInt64(open.length)
                        && !location.isZero
                if follows {
                    run?.length += 1
                    continue
                }
                try body(open)
            }
            run = LocationRun(location: location, length: 1)
        }
        if let run { try body(run) }
    }

    /// Reads runs that cover exactly `pages` pages and only name packs below `packs`.
    static func decode(
        _ reader: inout ByteReader,
        pages: Int,
        packs: Int,
        _ body: (LocationRun) throws -> Void
    ) throws {
        var cursors = Cursors()
        var covered = 0
        while covered < pages {
            let head = try reader.varint()
            let length = head >> 1
            guard length > 0, length <= UInt64(pages - covered) else {
                throw reader.malformed("a run of \(length) pages")
            }
            covered += Int(length)
            guard head & 1 == 0 else {
                try body(LocationRun(location: .zero, length: Int(length)))
                continue
            }
            let pack = try reader.varint()
            guard pack < UInt64(packs) else { throw reader.malformed("no pack \(pack)") }
            let step = try reader.zigzag()
            let (page, overflow) = Int64(cursors.take(UInt32(pack))).addingReportingOverflow(step)
            guard !overflow, page >= 0, page <= Int64(UInt32.max) - Int64(length) else {
                throw reader.malformed("a page number beyond all packs")
            }
            cursors.set(UInt32(page) + UInt32(length))
            try body(
                LocationRun(
                    location: MapLocation(pack: UInt32(pack), page: UInt32(page)),
                    length: Int(length)
                )
            )
        }
    }
}
