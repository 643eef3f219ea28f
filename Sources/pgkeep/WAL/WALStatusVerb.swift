import ArgumentParser
import Domain
import Engine

/// `wal status`
struct WALStatusVerb: Verb {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show how far an instance's WAL is in the vault.",
        discussion: """
            Reads the vault only: what a running stream last told, and what is stored. Without a \
            stream the server's own position is not known.

              pgkeep wal status main --json
            """
    )

    @OptionGroup var instance: NameArgument
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> WALStatus {
        let context = try session.context()
        return try WALStatus.read(context, Instances.find(context, instance.name))
    }

    func lines(_ answer: WALStatus) -> [String] {
        var facts = Facts()
        facts.add("streaming", answer.streaming ? "yes" : "no")
        facts.add("slot", answer.slot)
        facts.add("server is at", answer.serverLSN?.description)
        facts.add("received", answer.receivedLSN?.description)
        facts.add("durable", answer.durableLSN?.description)
        facts.add("lag", answer.lagBytes.map(Wording.bytes))
        facts.add("behind by", answer.lagSeconds.map(Wording.duration))
        facts.add("segments", String(answer.segments))
        facts.add("stored", Wording.bytes(answer.storedBytes))
        facts.add("last commit", answer.lastCommitAt.map(Wording.time))
        facts.add("from", answer.source)
        facts.add("slot keeps", answer.slotRetainedBytes.map(Wording.bytes))
        facts.add("slot is lost after", answer.safeWALBytes.map(Wording.bytes))
        facts.add("slot state", answer.slotState)
        facts.add("slot warning", answer.slotWarning)
        facts.add("slot note", answer.slotNote)
        facts.add("paused", answer.pause)
        facts.add("not connected", answer.pause == nil ? answer.failure : nil)
        for gap in answer.gaps {
            facts.add("gap", "\(gap.from) to \(gap.to): \(gap.cause.words)")
        }
        return facts.lines
    }
}
