import Domain
import TestSupport
import Testing

/// What an operator may ask for, and what each mistake is answered with.
struct RecoveryTargetTests {
    @Test func `each option names its target`() throws {
        let point = PointID(milliseconds: 1, random: (2, 3))
        #expect(RecoveryTargetSpec().target == .latest)
        #expect(try RecoveryTargetSpec(latest: true).target == .latest)
        #expect(try RecoveryTargetSpec(lsn: "0/3000060").target == .lsn(LSN(0x3000060)))
        #expect(try RecoveryTargetSpec(xid: "7481").target == .xid(7481))
        #expect(try RecoveryTargetSpec(xid: "4294974777").target == .xid(7481), "with its epoch")
        #expect(try RecoveryTargetSpec(name: "before release").target == .name("before release"))
        #expect(try RecoveryTargetSpec(point: point.description).target == .immediate(point))
        let spec = try RecoveryTargetSpec(
            time: "2026-03-14 15:09:26+09:00",
            exclusive: true,
            timeline: "3"
        )
        #expect(spec.target.value == "2026-03-14T06:09:26Z" && spec.target.kind == "time")
        #expect(!spec.inclusive && spec.timeline == 3)
    }

    @Test func `every mistake is a usage error with a next step`() throws {
        let attempts: [() throws -> RecoveryTargetSpec] = [
            { try RecoveryTargetSpec(time: "yesterday") },
            { try RecoveryTargetSpec(lsn: "3000060") },
            { try RecoveryTargetSpec(lsn: "0/0") }, { try RecoveryTargetSpec(xid: "2") },
            { try RecoveryTargetSpec(xid: "-5") }, { try RecoveryTargetSpec(xid: "") },
            { try RecoveryTargetSpec(name: "") }, { try RecoveryTargetSpec(point: "newest") },
            { try RecoveryTargetSpec(name: String(repeating: "n", count: 64)) },
            { try RecoveryTargetSpec(timeline: "0") },
            { try RecoveryTargetSpec(timeline: "latest") },
            { try RecoveryTargetSpec(exclusive: true) },
            { try RecoveryTargetSpec(name: "n", exclusive: true) },
            { try RecoveryTargetSpec(lsn: "0/8", xid: "5") },
            { try RecoveryTargetSpec(latest: true, name: "n") },
        ]
        for (number, attempt) in attempts.enumerated() {
            do {
                _ = try attempt()
                Issue.record("attempt \(number) was accepted")
            } catch let error as PgkeepError {
                #expect(error.code.exit == .usage && !error.hint.isEmpty, "attempt \(number)")
            }
        }
    }
}
