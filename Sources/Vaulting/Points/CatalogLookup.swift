import Domain
import Platform

/// Finds entries of a point's catalog by path, for many paths in whatever order a server sends
/// them: that of its file system, often none at all.
///
/// Read as a whole at the first question and kept as it is stored, with an index of hashes: about
/// 60 bytes for a small file. Shared by threads.
public final class CatalogLookup: Sendable {
    /// Where a path's entry is: 80 bits of hashes, keyed anew in each process, tell paths apart.
    private struct Place {
        var hash: UInt64
        /// From the highest bit: 16 bits of another hash, 24 of the frame, 24 of the offset in it.
        var rest: UInt64

        init(_ path: [UInt8]) {
            hash = Self.hash(path, 0)
            rest = Self.hash(path, 1) << 48
        }

        private static func hash(_ path: [UInt8], _ salt: UInt8) -> UInt64 {
            var hasher = Hasher()
            hasher.combine(salt)
            path.withUnsafeBytes { hasher.combine(bytes: $0) }
            return UInt64(truncatingIfNeeded: hasher.finalize())
        }

        func at(frame: Int, offset: Int) -> Place {
            precondition(frame < 1 << 24 && offset < 1 << 24, "no catalog has so many bytes")
            var place = self
            place.rest |= UInt64(frame) << 24 | UInt64(offset)
            return place
        }

        var frame: Int { Int(rest >> 24 & 0xff_ffff) }
        var offset: Int { Int(rest & 0xff_ffff) }

        func isOf(_ other: Place) -> Bool { hash == other.hash && rest >> 48 == other.rest >> 48 }
    }

    private struct Index {
        var frames: [[UInt8]] = []
        var places: [Place] = []
        var packs: [PackID]
        /// Frames that cannot be read, and why: the paths in them are not known to be absent.
        var failures: [Int: PgkeepError] = [:]
    }

    private let reader: PointReader
    private let index = Condition<Index?>(nil)

    /// Looks things up in the catalog of `reader`.
    public init(_ reader: PointReader) { self.reader = reader }

    /// The entry with exactly this path, or nil. Throws what keeps the part of the catalog from
    /// being read that would have it.
    public func entry(path: [UInt8]) throws -> CatalogEntry? {
        let index = try index.change { state -> Index in
            if let index = state { return index }
            let built = try build()
            state = built
            return built
        }
        let wanted = Place(path)
        var low = 0
        var high = index.places.count
        while low < high {
            let middle = (low + high) / 2
            if index.places[middle].hash < wanted.hash { low = middle + 1 } else { high = middle }
        }
        while low < index.places.count, index.places[low].hash == wanted.hash {
            let place = index.places[low]
            if place.isOf(wanted) { return try decode(path, place, index) }
            low += 1
        }
        if let number = reader.catalogFrame(holding: path), let error = index.failures[number] {
            throw error
        }
        return nil
    }

    private func decode(_ path: [UInt8], _ place: Place, _ index: Index) throws -> CatalogEntry {
        try index.frames[place.frame].withUnsafeBytes { bytes in
            var body = ByteReader(
                UnsafeRawBufferPointer(rebasing: bytes[place.offset...]),
                reader.catalogSubject
            )
            return try CatalogCodec.decode(path: path, from: &body, packs: index.packs)
        }
    }

    private func build() throws -> Index {
        var index = Index(packs: reader.root.packs.map(\.info.id))
        index.places.reserveCapacity(Int(reader.root.entries))
        for number in reader.root.catalog.indices {
            do {
                let content = try reader.content(ofFrame: number)
                let known = index.places.count
                do {
                    try reader.forEachEntry(in: content, of: number, packs: index.packs) {
                        index.places.append(Place($0.path).at(frame: number, offset: $1))
                    }
                } catch {
                    index.places.removeLast(index.places.count - known)
                    throw error
                }
                index.frames.append(content)
            } catch let error as PgkeepError where error.isDamage || error.code == .notFound {
                index.failures[number] = error
                index.frames.append([])
            }
        }
        index.places.sort { $0.hash < $1.hash }
        return index
    }
}
