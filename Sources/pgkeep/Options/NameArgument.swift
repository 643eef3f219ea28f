import ArgumentParser
import Domain

/// The instance a verb is about.
struct NameArgument: ParsableArguments {
    @Argument(help: ArgumentHelp("The instance's name.", valueName: "name"))
    var text: String

    /// The name, checked.
    var name: InstanceName {
        get throws(PgkeepError) { try InstanceName(checking: text) }
    }
}
