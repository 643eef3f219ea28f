import ArgumentParser
import Domain
import Engine
import Vaulting

/// `activity verify`
struct ActivityVerify: Verb {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Prove that no entry of the activity log was changed or removed.",
        discussion: """
            Exits 6 when one was. That the newest entries were not cut off only somebody can tell \
            who noted the head before: keep the line this prints elsewhere, and give it next time.

              pgkeep activity verify
              pgkeep activity verify --known 12:7d5a…
            """
    )

    @Option(
        help: ArgumentHelp(
            "A head noted earlier, which the log must still contain.",
            valueName: "number:digest"
        )
    )
    var known: String?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    struct Answer: Encodable {
        var entries: UInt64
        var head: String
    }

    func answer(_ session: Session) throws -> Answer {
        let noted = try known.map { text throws(PgkeepError) in
            guard let head = ActivityLog.Head(text) else {
                throw PgkeepError(
                    .usage,
                    "--known \(text) is no head of an activity log",
                    hint: "give the line that an earlier activity verify printed"
                )
            }
            return head
        }
        let context = try session.context()
        let head = try ActivityLog(context.vault, context.clock).verify(known: noted)
        return Answer(entries: head.number, head: head.description)
    }

    func lines(_ answer: Answer) -> [String] {
        ["\(Wording.count(answer.entries, "entry", "entries")), all bound together.", answer.head]
    }
}
