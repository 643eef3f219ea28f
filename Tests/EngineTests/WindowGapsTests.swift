import Domain
import Engine
import Testing

@Suite struct WindowGapsTests {
    private func loss(_ start: UInt64, _ end: UInt64, _ cause: WALHoldings.GapCause)
        -> WALHoldings.Loss
    {
        WALHoldings.Loss(timeline: 2, start: LSN(start), end: LSN(end), cause: cause)
    }

    @Test func `each gap of the window is an alert of its own that names it`() throws {
        let main = try InstanceName(checking: "main")
        let found = WindowGaps.conditions(
            main,
            [
                loss(0x500_0000, 0x700_0000, .slotLost), loss(0x900_0000, 0xA00_0000, .failover),
                loss(0xC00_0000, 0xD00_0000, .stopped), loss(0xE00_0000, 0xF00_0000, .pruned),
            ],
            segmentSize: .standard
        )
        #expect(
            found.map(\.id) == [
                "window-gap/main:000000020000000000000005",
                "window-gap/main:000000020000000000000009",
            ]
        )
        #expect(found.allSatisfy { $0.instance == main && $0.severity == .critical })
        #expect(found[0].summary.contains("WAL 0/5000000 to 0/7000000 of timeline 2 is missing"))
        #expect(found[1].summary.contains("0/9000000 to 0/A000000"))
    }
}
