import Domain
import Platform
import Postgres
import TestSupport
import Testing

/// What an idle server writes is no change; everything else is, however it is cut.
struct WALChangeTests {
    private func lastChange(_ builder: WALBuilder, slices: Int) -> (LSN?, WALStop?) {
        var walker = WALWalker(
            segmentSize: builder.segmentSize,
            systemIdentifier: nil,
            startingAt: builder.start
        )
        var position = builder.start
        builder.bytes.withUnsafeBytes { bytes in
            var offset = 0
            while offset < bytes.count {
                let end = min(offset + slices, bytes.count)
                walker.feed(UnsafeRawBufferPointer(rebasing: bytes[offset..<end]), at: position) {
                    _ in
                }
                position = position + UInt64(end - offset)
                offset = end
            }
        }
        return (walker.lastChange, walker.stop)
    }

    @Test(arguments: [7, 500, 8192, 100_000])
    func `heartbeats and book-keeping are no change, tuples and page images are`(
        slices: Int
    ) throws {
        let message = WALBuilder.main([UInt8](repeating: 1, count: 40))
        var idle = try WALBuilder(start: LSN(0x10_0000))
        for number in 0..<400 {
            // Standby: running transactions. LogicalMessage: a heartbeat, with its commit.
            idle.add(idle.record(8, 0x10, message))
            idle.add(idle.record(21, 0, xid: UInt32(number + 3), message))
            idle.commit(xid: UInt32(number + 3), time: Int64(number))
        }
        let (none, stop) = lastChange(idle, slices: slices)
        #expect(none == nil && stop == nil)
        // Heap, a page image of a hint bit, a page image; some longer than a page.
        for (resource, info, length) in [(UInt8(10), UInt8(0), 30), (0, 0xA0, 9000), (0, 0xB0, 60)]
        {
            var busy = idle
            let body = WALBuilder.main([UInt8](repeating: 2, count: length))
            busy.add(busy.record(resource, info, xid: 9, body))
            let changed = try #require(busy.starts.last)
            busy.commit(xid: 9, time: 500)
            let (change, stop) = lastChange(busy, slices: slices)
            #expect(change == changed && stop == nil, "\(resource) \(info)")
        }
    }
}
