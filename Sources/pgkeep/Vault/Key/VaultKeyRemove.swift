import ArgumentParser
import Domain
import Vaulting

/// `vault key remove`
struct VaultKeyRemove: Verb {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Take a key's right to open the vault.",
        discussion: """
            The slot this command opens the vault with stays, so the last one can never go. Who \
            had the removed key may have kept what it opened: after a theft, run vault key rotate \
            with a key that stays, and change who may write to the vault's storage.

              pgkeep vault key remove 1
            """
    )

    @Argument(help: ArgumentHelp("The slot's number, as vault key list shows it."))
    var slot: UInt32

    @OptionGroup(title: "Global options") var global: GlobalOptions

    struct Answer: Encodable {
        var removed: UInt32
    }

    func answer(_ session: Session) throws -> Answer {
        let vault = try session.openVault()
        try VaultKeys(vault, clock: session.clock).remove(slot)
        try ActivityLog(vault, session.clock).append(
            action: "vault.key-remove",
            details: ["slot": String(slot)]
        )
        return Answer(removed: slot)
    }

    func lines(_ answer: Answer) -> [String] {
        ["Key slot \(answer.removed) is removed; its key opens the vault no more."]
    }
}
