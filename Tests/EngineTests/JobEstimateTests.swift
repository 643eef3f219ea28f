import Domain
import Engine
import Testing

/// Share and estimate of jobs whose true course is known beforehand.
struct JobEstimateTests {
    /// A phase as it really goes: seconds, and bytes where it counts some.
    private struct Stretch {
        var name: String
        var seconds: Double
        var bytes: UInt64?
    }

    private struct Look {
        var at: Double
        var percent: Double
        var eta: Double?
    }

    /// What is told every tenth of a second, and the seconds it all took.
    private func course(
        _ kind: JobKind,
        _ stretches: [Stretch],
        planned: [String: UInt64] = [:]
    ) -> (looks: [Look], seconds: Double) {
        var estimate = JobEstimate(kind, at: 100)
        var looks: [Look] = []
        var begin = 100.0
        for stretch in stretches {
            estimate.begin(stretch.name, at: begin)
            var spent = 0.0
            while spent < stretch.seconds {
                let share = spent / stretch.seconds
                let progress = Progress(
                    phase: stretch.name,
                    doneBytes: stretch.bytes.map { UInt64(Double($0) * share) } ?? 0,
                    totalBytes: stretch.bytes
                )
                let result = estimate.update(progress, planned: planned, at: begin + spent)
                looks.append(
                    Look(at: begin + spent - 100, percent: result.percent, eta: result.eta)
                )
                spent += 0.1
            }
            begin += stretch.seconds
        }
        return (looks, begin - 100)
    }

    /// Within a factor of 2 after the first quarter; at the very end a second more or less.
    private func judge(_ looks: [Look], _ seconds: Double) {
        for (early, late) in zip(looks, looks.dropFirst()) {
            #expect(early.percent <= late.percent)
        }
        #expect(looks.allSatisfy { $0.percent < 100 })
        let late = looks.filter { $0.at >= seconds / 4 }
        #expect(!late.isEmpty)
        for look in late {
            let left = seconds - look.at
            let eta = look.eta ?? -1
            #expect(
                (left / 2 - 1...left * 2 + 1).contains(eta),
                "after \(look.at) of \(seconds): \(eta), not \(left)"
            )
        }
    }

    @Test(arguments: [10.0, 200, 7000])
    func `acceptance 5: a backup's estimate holds after the first quarter`(seconds: Double) {
        let (looks, total) = course(
            .backup,
            [
                Stretch(name: "connect", seconds: 0.2),
                Stretch(name: "checkpoint", seconds: min(seconds / 20, 20)),
                Stretch(name: "copy", seconds: seconds, bytes: 3 << 30),
                Stretch(name: "wal", seconds: 0.4), Stretch(name: "commit", seconds: 0.3),
            ]
        )
        judge(looks, total)
    }

    @Test(arguments: [8.0, 300])
    func `acceptance 5: a restore's estimate holds after the first quarter`(seconds: Double) {
        let wal = UInt64(seconds / 4 * 30e6)
        let (looks, total) = course(
            .restore,
            [
                Stretch(name: "plan", seconds: 0.2),
                Stretch(name: "fetch", seconds: seconds, bytes: UInt64(seconds * 150e6)),
                Stretch(name: "wal", seconds: 0.2, bytes: 16 << 20),
                Stretch(name: "sync", seconds: seconds / 15),
                Stretch(name: "replay", seconds: 2 + seconds / 4, bytes: wal),
            ],
            planned: ["fetch": UInt64(seconds * 150e6), "wal": 16 << 20, "replay": wal]
        )
        judge(looks, total)
    }

    @Test(arguments: [10.0, 400])
    func `acceptance 5: a drill's estimate holds after the first quarter`(seconds: Double) {
        let (looks, total) = course(
            .drill,
            [
                Stretch(name: "plan", seconds: 0.2),
                Stretch(name: "fetch", seconds: seconds, bytes: UInt64(seconds * 150e6)),
                Stretch(name: "wal", seconds: 0.2, bytes: 16 << 20),
                Stretch(name: "sync", seconds: seconds / 20),
                Stretch(name: "verify", seconds: seconds / 2),
                Stretch(name: "replay", seconds: seconds / 4, bytes: UInt64(seconds / 4 * 30e6)),
                Stretch(name: "check", seconds: seconds / 2),
                Stretch(name: "teardown", seconds: 0.4),
            ],
            planned: ["replay": UInt64(seconds / 4 * 30e6)]
        )
        judge(looks, total)
    }

    @Test func `a copy that is not started waits for no replay`() {
        var estimate = JobEstimate(.restore, at: 0)
        estimate.begin("fetch", at: 0)
        estimate.begin("wal", at: 1)
        estimate.begin("sync", at: 1.2)
        let progress = Progress(phase: "sync")
        #expect((estimate.update(progress, planned: [:], at: 1.3).eta ?? 9) < 1)
        let later = estimate.update(progress, planned: ["replay": 400_000_000], at: 2)
        #expect((later.eta ?? 0) > 10)
    }

    @Test func `a backup begun again in full never shows less than before`() {
        var estimate = JobEstimate(.backup, at: 0)
        estimate.begin("copy", at: 1)
        let most = Progress(phase: "copy", doneBytes: 90, totalBytes: 100)
        let before = estimate.update(most, planned: [:], at: 91)
        #expect(before.percent > 80)
        estimate.begin("connect", at: 92)
        estimate.begin("copy", at: 93)
        let again = Progress(phase: "copy", doneBytes: 10, totalBytes: 100)
        let after = estimate.update(again, planned: [:], at: 103)
        #expect(after.percent == before.percent)
        #expect((80...110).contains(after.eta ?? 0), "\(after)")
    }

    @Test func `nothing is said of what nobody knows`() {
        var estimate = JobEstimate(.stream, at: 0)
        estimate.begin("stream", at: 0)
        let result = estimate.update(
            Progress(phase: "stream", doneBytes: 50),
            planned: [:],
            at: 10
        )
        #expect(result.percent == 0 && result.eta == nil && result.rate == 5)
        var stuck = JobEstimate(.backup, at: 0)
        stuck.begin("copy", at: 0)
        let none = Progress(phase: "copy", doneBytes: 0, totalBytes: 100)
        #expect(stuck.update(none, planned: [:], at: 50).eta == nil)
    }
}
