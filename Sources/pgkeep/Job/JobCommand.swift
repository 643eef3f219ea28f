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
