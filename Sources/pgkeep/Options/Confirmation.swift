import ArgumentParser
import Domain
import Platform

/// The operator's yes to a step that is not easily taken back: typed on a terminal, or given with
/// `--yes`. It never replaces a guard, a token or `--confirm-name`.
struct Confirmation: ParsableArguments {
    @Flag(help: "Do not ask; without a terminal this is needed.")
    var yes = false

    /// Asks for `word`, after telling what is going to happen.
    ///
    /// Throws `.refused` without a terminal to ask on, and for another word.
    func ask(_ session: Session, _ what: String, word: String) throws {
        guard !yes else { return }
        guard Terminal.isInputTerminal, Terminal.isTerminal(.errors), !session.global.json,
            let answer = try Terminal.readLine(
                "\(what)\nType \(word) to go on: ",
                token: session.token
            )
        else {
            throw PgkeepError(
                .refused,
                "there is nobody to ask whether this is meant, so nothing was done",
                hint: "give --yes if it is"
            )
        }
        guard answer == word else {
            throw PgkeepError(
                .refused,
                "that was not \(word), so nothing was done",
                hint: "run the command again if it is meant"
            )
        }
    }
}
