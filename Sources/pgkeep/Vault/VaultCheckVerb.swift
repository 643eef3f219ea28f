import ArgumentParser
import Domain
import Engine
import Vaulting

/// `vault check`
struct VaultCheckVerb: Verb {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Look for damage in the vault.",
        discussion: """
            Level list looks whether everything is there, seal reads every byte and checks its \
            seal, decode also puts every page of every point together. Exits 6 when anything is \
            wrong, naming the recovery points and the WAL affected.

              pgkeep vault check
              pgkeep vault check --level decode --instance main
            """
    )

    /// How closely to look.
    enum Level: String, CaseIterable, ExpressibleByArgument {
        case list
        case seal
        case decode

        var checkLevel: VaultCheck.Level {
            switch self {
            case .list: .list
            case .seal: .seal
            case .decode: .decode
            }
        }
    }

    @Option(help: ArgumentHelp("How closely to look: list, seal or decode.", valueName: "level"))
    var level = Level.seal

    @Option(
        name: .customLong("instance"),
        help: ArgumentHelp("Only what belongs to this instance.", valueName: "name")
    )
    var instanceName: String?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> CheckReport {
        let name = try instanceName.map { try InstanceName(checking: $0) }
        let context = try session.context()
        let instance = try name.map { try Instances.find(context, $0) }
        return try CheckJob(context: context, level: level.checkLevel, instance: instance).run()
    }

    func failure(_ answer: CheckReport) -> PgkeepError? { answer.error }

    func lines(_ answer: CheckReport) -> [String] {
        var lines: [String] = []
        for damage in answer.damage {
            let named = damage.reason.hasPrefix(damage.object)
            lines.append(named ? damage.reason : "\(damage.object): \(damage.reason)")
            if let instance = damage.instance { lines.append("  instance \(instance)") }
            lines += damage.points.map { "  recovery point \($0)" }
            if let from = damage.fromLSN, let end = damage.toLSN {
                lines.append("  WAL from \(from) to \(end)")
            }
        }
        let looked =
            "\(Wording.count(answer.objects, "object")), \(Wording.bytes(answer.bytes)) read"
        if answer.ok { lines.append("The vault is sound: \(looked).") }
        return lines
    }
}
