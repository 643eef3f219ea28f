import ArgumentParser
import Domain
import Engine

/// `status`
struct StatusVerb: Verb {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show how well every instance is protected, the worst first.",
        discussion: """
            Reads the vault only, no server. Open alerts come first. The states: protected; \
            stopped, on purpose; paused, the server is away and the vault has all it had; pending, \
            the first backup is not there yet; degraded; not-protected. What is not in order \
            comes with the command that helps.

              pgkeep status
              pgkeep status --json
            """
    )

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> StatusReport {
        try StatusReport.read(session.context())
    }

    func failure(_ answer: StatusReport) -> PgkeepError? { answer.error }

    func lines(_ answer: StatusReport) -> [String] {
        guard !answer.instances.isEmpty || answer.error != nil else {
            return answer.alerts.flatMap(AlertText.open)
                + ["No instance is protected yet: pgkeep instance add NAME --source CONNINFO"]
        }
        var table = Table(
            ["INSTANCE", "STATE", "LAST BACKUP", "RESTORABLE FROM", "TO", "RPO", "STORED"],
            numbers: [5, 6]
        )
        for instance in answer.instances {
            table.add([
                instance.name.description, instance.state.rawValue,
                instance.lastPointAt.map(Wording.time) ?? "never",
                instance.windowFrom.map(Wording.time) ?? "",
                instance.windowTo.map(Wording.time) ?? "",
                instance.rpoSeconds.map(Wording.duration) ?? "",
                Wording.bytes(instance.storedBytes),
            ])
        }
        var lines = answer.alerts.flatMap(AlertText.open) + table.lines
        for instance in answer.instances {
            for reason in instance.reasons {
                lines += ["\(instance.name): \(reason.what)", "  → \(reason.next)"]
            }
            if instance.quotaExceeded {
                lines += [
                    "\(instance.name): takes \(Wording.bytes(instance.storedBytes)), its quota is "
                        + Wording.bytes(instance.quotaBytes),
                    "  → pgkeep vault quota \(instance.name) VALUE, or keep less",
                ]
            }
        }
        if answer.runningJobs + answer.failedJobs > 0 {
            lines.append(
                "\(Wording.count(answer.runningJobs, "job")) running, \(answer.failedJobs) failed"
                    + " in the last day: pgkeep job list"
            )
        }
        let free = answer.freeBytes.map { ", \(Wording.bytes($0)) free" } ?? ""
        return lines + ["The vault takes \(Wording.bytes(answer.totalBytes))\(free)."]
    }
}
