public import Domain

/// The rules of a time zone as the machine's zone database has them.
///
/// Reads TZif files, versions 1 to 4 (RFC 9636): the moments clocks changed, and behind the last of
/// them the rule in the footer.
public struct TimeZoneFile: ZoneRules {
    /// The zone's name.
    public let name: String
    private let changes: [Int64]
    /// Offsets after each change.
    private let offsets: [Int64]
    private let first: Int64
    private let rule: PosixZone?

    private static let directory = "/usr/share/zoneinfo"
    private static let bytesMax = 1 << 20

    /// The rules of a zone by its name; `UTC` needs no file.
    ///
    /// Throws `.usage` for a name the zone database does not have, `.integrity` for a broken file.
    public static func rules(_ name: String) throws(PgkeepError) -> any ZoneRules {
        if name == "UTC" { return UTCRules() }
        let isPlain = name.utf8.allSatisfy {
            (65...90).contains($0) || (97...122).contains($0) || (48...57).contains($0)
                || "+-_/".utf8.contains($0)
        }
        guard isPlain, !name.isEmpty, !name.hasPrefix("/"), name.utf8.count < 100 else {
            throw unknown(name, nil)
        }
        let path = (Environment.value("TZDIR") ?? directory) + "/" + name
        let bytes: [UInt8]
        do {
            bytes = try FileSystem.readFile(path, limit: bytesMax)
        } catch {
            throw unknown(name, error)
        }
        guard let zone = TimeZoneFile(name: name, bytes) else {
            throw PgkeepError(
                .system,
                "\(path) is no time zone file",
                hint: "install the package tzdata again"
            )
        }
        return zone
    }

    private static func unknown(_ name: String, _ cause: (any Error)?) -> PgkeepError {
        PgkeepError(
            .usage,
            "there is no time zone \"\(name)\" on this machine",
            hint: "use UTC or a name like Europe/Berlin; the package tzdata brings them",
            cause: cause
        )
    }

    /// Reads a file's content; nil when it is none.
    package init?(name: String, _ bytes: [UInt8]) {
        self.name = name
        guard let head = Header(bytes, at: 0) else { return nil }
        var start = Header.bytes
        var width = 4
        var block = head
        if head.version >= 2 {
            start += head.length(4)
            guard let second = Header(bytes, at: start) else { return nil }
            (block, width) = (second, 8)
            start += Header.bytes
        }
        let end = start + block.length(width)
        guard end <= bytes.count, block.types > 0 else { return nil }
        let indexes = start + block.times * width
        let types = indexes + block.times
        func offset(_ type: Int) -> Int64? {
            guard type < block.types else { return nil }
            return Header.number(bytes, types + type * 6, 4)
        }
        var changes: [Int64] = []
        var offsets: [Int64] = []
        for index in 0..<block.times {
            guard let value = offset(Int(bytes[indexes + index])) else { return nil }
            changes.append(Header.number(bytes, start + index * width, width))
            offsets.append(value)
        }
        guard let first = offset(0) else { return nil }
        self.first = first
        self.changes = changes
        self.offsets = offsets
        let footer = bytes[end...].drop { $0 == 10 }.prefix { $0 != 10 }
        let hasRule = width == 8 && !footer.isEmpty
        rule = hasRule ? PosixZone(String(decoding: footer, as: UTF8.self)) : nil
        guard changes == changes.sorted() else { return nil }
    }

    /// Seconds that clocks are ahead of UTC.
    public func offset(at moment: Timestamp) -> Int64 {
        let seconds = moment.seconds
        if let rule, changes.last.map({ seconds >= $0 }) ?? true { return rule.offset(at: seconds) }
        var (low, high) = (0, changes.count)
        while low < high {
            let middle = (low + high) / 2
            if changes[middle] <= seconds { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? first : offsets[low - 1]
    }
}

/// The counts at the beginning of each block of a TZif file; numbers are big-endian.
private struct Header {
    static let bytes = 44

    let version: Int
    private let universal: Int
    private let standard: Int
    private let leaps: Int
    let times: Int
    let types: Int
    private let letters: Int

    init?(_ bytes: [UInt8], at start: Int) {
        guard bytes.count >= start + Self.bytes, bytes[start..<start + 4].elementsEqual("TZif".utf8)
        else { return nil }
        version = bytes[start + 4] == 0 ? 1 : Int(bytes[start + 4]) - 48
        let counts = (0..<6).map { Int(Self.number(bytes, start + 20 + $0 * 4, 4)) }
        guard counts.allSatisfy({ (0...100_000).contains($0) }) else { return nil }
        (universal, standard, leaps) = (counts[0], counts[1], counts[2])
        (times, types, letters) = (counts[3], counts[4], counts[5])
        guard bytes.count >= start + Self.bytes + length(4) || version >= 2 else { return nil }
    }

    /// Bytes of the block behind it, with times of `width` bytes.
    func length(_ width: Int) -> Int {
        times * (width + 1) + types * 6 + letters + leaps * (width + 4) + standard + universal
    }

    static func number(_ bytes: [UInt8], _ start: Int, _ width: Int) -> Int64 {
        let value = bytes[start..<start + width].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return width == 4 ? Int64(Int32(truncatingIfNeeded: value)) : Int64(bitPattern: value)
    }
}
