import ArgumentParser
import Domain
import Engine

/// `backup show`
struct BackupShow: Verb {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one recovery point.",
        discussion: """
            The first digits of its id are enough when no other begins with them.

              pgkeep backup show 0197a3c2
            """
    )

    @Argument(help: ArgumentHelp("The id of the point, or its beginning.", valueName: "id"))
    var id: String

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> ProvenPoint {
        let context = try session.context()
        let point = try Points.find(context, id)
        let proofs = try Drills.proven(context, point.systemIdentifier).points
        return ProvenPoint(point, proofs[point.id])
    }

    func lines(_ answer: ProvenPoint) -> [String] {
        PointText.facts(answer.point, answer.proof)
    }
}
