import ArgumentParser
import Domain
import Logging

/// The options of commands that run for long and are read about in logs.
struct LogOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The least that is logged: trace, debug, info, notice, warning, error or critical.",
            valueName: "level"
        )
    )
    var logLevel: String?

    @Option(
        help: ArgumentHelp(
            "How: text or json (default: text on a terminal, JSON lines elsewhere).",
            valueName: "format"
        )
    )
    var logFormat: String?

    /// The level asked for; `standard` when none was, lowered by `--verbose`, raised by `--quiet`.
    func level(_ global: GlobalOptions, standard: Logger.Level) throws(PgkeepError) -> Logger.Level
    {
        guard let logLevel else {
            return global.quiet ? .error : global.verbose ? .debug : standard
        }
        return try Choice.parse(logLevel, "--log-level")
    }

    /// These options, and for those not given, what the config file's section says.
    func or(_ section: [String: [String]]) -> LogOptions {
        var options = self
        options.logLevel = logLevel ?? section["log_level"]?.last
        options.logFormat = logFormat ?? section["log_format"]?.last
        return options
    }

    /// The format asked for; nil for the one that suits.
    func format() throws(PgkeepError) -> ScreenLog.Format? {
        guard let logFormat else { return nil }
        return try Choice.parse(logFormat, "--log-format")
    }
}
