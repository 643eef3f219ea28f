import ArgumentParser
import Domain
import Engine
import Vaulting

/// `instance list`
struct InstanceList: Verb {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the instances of the vault.",
        discussion: """
            Needs the vault and its key only, not the servers.

              pgkeep instance list --json
            """
    )

    @OptionGroup(title: "Global options") var global: GlobalOptions

    struct Answer: Encodable {
        var instances: [InstanceRecord]
    }

    func answer(_ session: Session) throws -> Answer {
        Answer(instances: try Instances.all(session.context()))
    }

    func lines(_ answer: Answer) -> [String] {
        guard !answer.instances.isEmpty else {
            return ["No instance is protected yet: pgkeep instance add NAME --source CONNINFO"]
        }
        var table = Table(["NAME", "STATE", "VERSION", "SYSTEM IDENTIFIER", "SOURCE"])
        for record in answer.instances {
            table.add([
                record.name.description, record.state.rawValue, record.serverVersion.description,
                record.systemIdentifier.description, record.source,
            ])
        }
        return table.lines
    }
}
