/// The entry point. Synchronous on purpose: an asynchronous one would park the main thread in the
/// dispatch library with all signals open, and Ctrl-C would kill the process amid a job.
@main
enum Main {
    static func main() {
        Pgkeep.exit(with: Launch(arguments: Array(CommandLine.arguments.dropFirst())).run())
    }
}
