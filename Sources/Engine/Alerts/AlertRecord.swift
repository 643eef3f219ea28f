import Domain
import Vaulting

/// The vault's board of alerts, read and changed by compare-and-swap.
enum AlertRecord {
    private static let id = "board"

    /// Rounds of a race with other hosts.
    private static let attemptsMax = 64

    /// The board as it is; an empty one before the first change.
    static func read(_ context: JobContext) throws -> AlertBoard {
        try context.vault.alertBoards(clock: context.clock).read(id)?.value ?? AlertBoard()
    }

    /// Goes on from an earlier state, or from none, when the board is damaged: alerts must not stay
    /// silent for it, and what is told twice does no harm. True when that was so.
    static func mend(_ context: JobContext) throws -> Bool {
        do {
            return try context.vault.alertBoards(clock: context.clock)
                .mend(id, orElse: AlertBoard())
        } catch let error as PgkeepError where error.code == .busy {
            // Another host has done it, and tells of it.
            return false
        }
    }

    /// Changes the board by `body`, again from what is there whenever another host was faster.
    /// Nothing is written when nothing changes. Durable on return.
    static func change<Result>(
        _ context: JobContext,
        _ body: (inout AlertBoard) throws -> Result
    ) throws -> Result {
        let store = context.vault.alertBoards(clock: context.clock)
        for _ in 0..<attemptsMax {
            let stored = try store.read(id)
            let old = stored?.value ?? AlertBoard()
            var board = old
            let result = try body(&board)
            guard board != old else { return result }
            do {
                if let stored {
                    try store.update(stored, to: board)
                } else {
                    try store.create(id, board)
                }
                return result
            } catch let error as PgkeepError where [.busy, .exists].contains(error.code) {
                continue
            }
        }
        throw PgkeepError(
            .busy,
            "many others are changing the alerts",
            hint: "run the command again"
        )
    }
}
