import ArgumentParser
import Domain

/// The group of commands about jobs.
struct JobCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "job",
        abstract: "Follow and cancel what runs, look at what has run.",
        subcommands: [JobList.self, JobShow.self, JobWatch.self, JobCancel.self]
    )
}

/// The job a verb is about.
struct JobArgument: ParsableArguments {
    @Argument(help: ArgumentHelp("The id of the job, or its beginning.", valueName: "id"))
    var text: String
}

/// Choices of a list option, given in one word with commas or by repeating it.
enum Choices {
    static func read<Choice: RawRepresentable & CaseIterable & Hashable>(
        _ texts: [String],
        _ option: String,
        as type: Choice.Type
    ) throws(PgkeepError) -> Set<Choice>? where Choice.RawValue == String {
        guard !texts.isEmpty else { return nil }
        var found: Set<Choice> = []
        for word in texts.flatMap({ $0.split(separator: ",") }) {
            guard let choice = Choice(rawValue: word.lowercased()) else {
                throw PgkeepError(
                    .usage,
                    "\(option) \(word) is none of the choices",
                    hint: "choose from \(Choice.allCases.map(\.rawValue).joined(separator: ", "))"
                )
            }
            found.insert(choice)
        }
        return found
    }
}
