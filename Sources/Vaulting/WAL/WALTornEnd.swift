import Domain
import Platform
import Sealing

// How the end of a journal may look after its writer was killed, and what is damage instead.
//
// A killed writer leaves a prefix of the bytes it wrote: the object simply stops. After a power cut
// the blocks written since the last sync may also read as zeros to the end of the object. Both are
// the end of what was ever acknowledged. Everything else - a whole frame that does not open, a
// header that says nonsense, a length that points past the end although the frame is whole - was
// not left by a crash.
extension WALObjectReader {
    private static let block: UInt64 = 512
    /// Fewer zero bytes than this may well be the true end of a frame.
    private static let zerosMin: UInt64 = 8

    /// True when the object is zeros from a block boundary before `frameEnd` to its end.
    func endsInLostBlocks(frameEnd: UInt64) throws -> Bool {
        let last = min(frameEnd, size)
        guard last >= Self.zerosMin else { return false }
        let boundary = (last - Self.zerosMin) / Self.block * Self.block
        return try isZeroToEnd(from: max(boundary, min(position, last)))
    }

    func isZeroToEnd(from start: UInt64) throws -> Bool {
        var offset = start
        while offset < size {
            let count = Int(min(size - offset, 1 << 20))
            guard isZero(try load(offset, count)) else { return false }
            offset += UInt64(count)
        }
        return true
    }

    /// True when the frame at `position`, whose header says it goes on behind the end of the
    /// object, is whole once its length is put right: then the length was changed afterwards.
    func opensWhenShortened(_ frame: FrameHeader) throws -> Bool {
        let left = Int(
            min(size - position, UInt64(FrameSealer.bound(rawBytes: Int(frame.rawBytes))))
        )
        guard left >= Frame.overheadBytes, let opener else { return false }
        let bytes = Array(try load(position, left))
        var output = [UInt8](repeating: 0, count: Int(frame.rawBytes))
        func opens(_ length: Int) -> Bool {
            var header = frame
            header.storedBytes = UInt32(length - Frame.overheadBytes)
            var copy = Array(bytes[..<length])
            copy.withUnsafeMutableBytes { header.encode(into: $0) }
            return copy.withUnsafeBytes { copy in
                output.withUnsafeMutableBytes { output in
                    (try? opener.open(copy, expectNumber: number, into: output)) != nil
                }
            }
        }
        if left == Int(size - position), opens(left) { return true }
        // Another frame may follow: its number gives its header away.
        return bytes.withUnsafeBytes { memory in
            var offset = Frame.overheadBytes
            while offset + Frame.headerBytes <= left {
                let rest = UnsafeRawBufferPointer(rebasing: memory[offset...])
                if let next = FrameHeader(rest), next.number == number + 1, opens(offset) {
                    return true
                }
                offset += 1
            }
            return false
        }
    }
}
