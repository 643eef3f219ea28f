import Domain
import Platform

/// Finds entries of a point's catalog by path, for many paths in no particular order.
///
/// Files of one directory come one after the other, so the few catalog frames decoded last answer
/// nearly all questions. Shared by threads; memory is bounded by the frames kept.
public final class CatalogLookup: Sendable {
    private struct State {
        var frames: [Int: [[UInt8]: CatalogEntry]] = [:]
        var order: [Int] = []
    }

    private static let framesKept = 8

    private let reader: PointReader
    private let state = Condition(State())

    /// Looks things up in the catalog of `reader`.
    public init(_ reader: PointReader) { self.reader = reader }

    /// The entry with exactly this path, or nil.
    public func entry(path: [UInt8]) throws -> CatalogEntry? {
        guard let number = reader.catalogFrame(holding: path) else { return nil }
        return try state.change { state in
            if let known = state.frames[number] { return known[path] }
            let entries = Dictionary(
                uniqueKeysWithValues: try reader.entries(ofFrame: number).map { ($0.path, $0) }
            )
            state.frames[number] = entries
            state.order.append(number)
            if state.order.count > Self.framesKept {
                state.frames[state.order.removeFirst()] = nil
            }
            return entries[path]
        }
    }
}
