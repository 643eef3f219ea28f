import Domain
import Sealing
import Storage

/// Reads every byte of one object and checks every seal in it.
struct SealCheck {
    private let check: VaultCheck

    private static let readBytes: UInt64 = 4 << 20

    init(_ check: VaultCheck) { self.check = check }

    func run(_ object: ObjectInfo, _ place: ObjectPlace) throws {
        if case .wal = place {
            guard let name = WALObjectName(object.name) else {
                throw PgkeepError.damaged(object.name, "it is not named like a WAL object")
            }
            let size = try check.vault.store.head(object.name)?.size ?? 0
            try WALObjectReader(check.vault, name, size: size).readToEnd()
            return try check.advance(size)
        }
        if case .job = place {
            // Replaced as the job gets on, so read in one go. One that went has come to its end.
            _ = try check.vault.readInfo(object.name, kind: .job, system: nil)
            return try check.advance(object.size)
        }
        let reader = try SealedObjectReader(
            check.vault,
            object.name,
            kinds: place.kinds,
            system: place.system
        )
        let digest = try readAll(reader)
        if case .pack(_, let id) = place, let expected = check.expected[id],
            expected.digest != Array(digest[..<16])
        {
            throw PgkeepError.damaged(object.name, "its digest is not the one in the root")
        }
    }

    /// Opens all frames, reading the object from its first to its last byte; returns its SHA-256.
    private func readAll(_ reader: SealedObjectReader) throws -> [UInt8] {
        let object = reader.object
        var sha = SHA256()
        var content = [UInt8](repeating: 0, count: VaultFormat.pageFrameBytes)
        var position: UInt64 = 0
        var next = 0
        while position < object.size {
            var end = next == object.directory.frames.count ? object.size : position
            while next < object.directory.frames.count {
                let frame = object.directory.frames[next]
                let frameEnd = frame.offset + UInt64(frame.bytes)
                if end > position, frameEnd - position > Self.readBytes { break }
                end = frameEnd
                next += 1
            }
            let block = try check.vault.store.read(object.location, position..<end)
            try block.withUnsafeBytes { block in
                sha.update(block)
                try open(block, at: position, before: next, reader, &content)
            }
            try check.advance(end - position)
            position = end
        }
        return sha.finish()
    }

    /// Opens the frames that lie in `block`, which begins at `position` and ends before frame
    /// `next`.
    private func open(
        _ block: UnsafeRawBufferPointer,
        at position: UInt64,
        before next: Int,
        _ reader: SealedObjectReader,
        _ content: inout [UInt8]
    ) throws {
        let frames = reader.object.directory.frames
        var number = next
        while number > 0, frames[number - 1].offset >= position { number -= 1 }
        while number < next {
            let frame = frames[number]
            let start = Int(frame.offset - position)
            if content.count < Int(frame.rawBytes) {
                content = [UInt8](repeating: 0, count: Int(frame.rawBytes))
            }
            _ = try content.withUnsafeMutableBytes {
                try reader.open(
                    number,
                    UnsafeRawBufferPointer(rebasing: block[start..<start + frame.bytes]),
                    into: $0
                )
            }
            number += 1
        }
    }
}

extension ObjectStore {
    /// A part of an object.
    func read(_ name: ObjectName, _ range: Range<UInt64>) throws -> [UInt8] {
        try StoreSource(store: self, name: name, size: range.upperBound).read(range)
    }
}
