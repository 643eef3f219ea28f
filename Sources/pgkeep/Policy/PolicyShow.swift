import ArgumentParser
import Domain
import Engine
import Vaulting

/// `policy show`
struct PolicyShow: Verb {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one policy.",
        discussion: """
            With the instances that have it.

              pgkeep policy show default
            """
    )

    @OptionGroup var policy: PolicyArgument
    @OptionGroup(title: "Global options") var global: GlobalOptions

    struct Answer: Encodable {
        var found: Policies.Found
        var instances: [InstanceName]

        private enum CodingKeys: CodingKey { case instances }

        func encode(to encoder: any Encoder) throws {
            try found.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(instances, forKey: .instances)
        }
    }

    func answer(_ session: Session) throws -> Answer {
        let context = try session.context()
        let name = try policy.name
        return Answer(
            found: try Policies.found(context, name),
            instances: try Policies.members(context, name).map(\.name)
        )
    }

    func lines(_ answer: Answer) -> [String] {
        let names = answer.instances.map(\.description).joined(separator: ", ")
        return PolicyText.facts(answer.found) + ["instances: \(names.isEmpty ? "none" : names)"]
    }
}
