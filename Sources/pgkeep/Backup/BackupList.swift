import ArgumentParser
import Domain
import Engine
import Vaulting

/// `backup list`
struct BackupList: Verb {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List an instance's recovery points, oldest first.",
        discussion: """
            A point whose root object is damaged is listed too, as damaged. PROVEN says how far \
            the last drill that began with a point got: restored, verified, started or checked, \
            or that its copy was unsound.

              pgkeep backup list main
            """
    )

    @OptionGroup var instance: NameArgument
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> PointListing {
        try PointListing.read(session.context(), instance.name)
    }

    func lines(_ answer: PointListing) -> [String] {
        var lines = answer.damaged.map { "damaged: \($0.id): \($0.reason)" }
        if answer.points.isEmpty, answer.damaged.isEmpty {
            lines.append("There is no recovery point yet: pgkeep backup create \(instance.text)")
        } else {
            lines += PointText.table(answer.points)
        }
        return lines
    }
}
