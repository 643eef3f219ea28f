import Agent
import Domain
import Testing

@Suite struct SilenceWatchTests {
    private let session = PointID(time: Timestamp(seconds: 1), random: (1, 2))

    @Test func `a session without a sign for long enough is silent`() {
        var watch = SilenceWatch(seconds: 40)
        for time in stride(from: 0.0, to: 40, by: 5) {
            #expect(watch.isSilent(session, beats: 7, at: time) == false, "at \(time)")
        }
        #expect(watch.isSilent(session, beats: 7, at: 40) == true)
        // A sign, and the count begins again.
        #expect(watch.isSilent(session, beats: 8, at: 45) == false)
        #expect(watch.isSilent(session, beats: 8, at: 60) == false)
    }

    @Test func `who was suspended itself has seen nothing`() {
        var watch = SilenceWatch(seconds: 40)
        #expect(watch.isSilent(session, beats: 7, at: 0) == false)
        #expect(watch.isSilent(session, beats: 7, at: 3600) == false)
        #expect(watch.isSilent(session, beats: 7, at: 3605) == false)
    }

    @Test func `a session that is not looked at any more is forgotten`() {
        var watch = SilenceWatch(seconds: 10)
        _ = watch.isSilent(session, beats: 7, at: 0)
        watch.keep([])
        #expect(watch.isSilent(session, beats: 7, at: 12) == false)
    }
}
