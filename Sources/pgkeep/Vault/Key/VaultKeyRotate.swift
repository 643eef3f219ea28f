import ArgumentParser
import Domain
import Platform
import Sealing
import Vaulting

/// `vault key rotate`
struct VaultKeyRotate: Verb {
    static let configuration = CommandConfiguration(
        commandName: "rotate",
        abstract: "Seal everything new under a new master key.",
        discussion: """
            Old objects stay readable; no data is read or written anew, and the next backup stores \
            no more than any other. The new key is wrapped only for keys that are at hand: the one \
            in use, those of --keep-key-file, and a passphrase from PGKEEP_KEEP_PASSPHRASE (or \
            _FILE, _COMMAND). Other slots would open nothing new, so the command refuses unless \
            --drop-other-slots removes them; their holders can be added again.

            After a key was stolen: add a new key, then rotate with it and --drop-other-slots. \
            What was written before stays readable to whoever has a copy of it. Streams \
            and backups that are running end under the old key: start streams again.

              pgkeep vault key rotate --keep-key-file /mnt/safe/recovery.key
            """
    )

    @Option(
        name: .customLong("keep-key-file"),
        help: ArgumentHelp("A key file whose slot stays; may be given again.", valueName: "file"),
        completion: .file()
    )
    var kept: [String] = []

    @Flag(help: "Remove the slots of all other keys.")
    var dropOtherSlots = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    struct Answer: Encodable {
        var epoch: UInt32
        var kept: [UInt32]
        var dropped: [UInt32]
    }

    func answer(_ session: Session) throws -> Answer {
        let (vault, own) = try session.openVaultWithKey()
        var sources = [own]
        for path in kept { sources.append(.keyFile(try KeyFile.read(path))) }
        if let more = try VaultSettings.passphrase(inVariables: "PGKEEP_KEEP_PASSPHRASE") {
            sources.append(try more.read(token: session.token))
        }
        let done = try VaultKeys(vault, clock: session.clock)
            .rotate(keeping: sources, dropsOthers: dropOtherSlots)
        try ActivityLog(vault, session.clock).append(
            action: "vault.key-rotate",
            details: [
                "epoch": String(done.epoch),
                "kept": done.kept.map(String.init).joined(separator: " "),
                "dropped": done.dropped.map(String.init).joined(separator: " "),
            ]
        )
        return Answer(epoch: done.epoch, kept: done.kept, dropped: done.dropped)
    }

    func lines(_ answer: Answer) -> [String] {
        func named(_ slots: [UInt32]) -> String { slots.map(String.init).joined(separator: ", ") }
        var lines = [
            "New objects are sealed under epoch \(answer.epoch) from now on.",
            "Key slots that open it: \(named(answer.kept))",
        ]
        if !answer.dropped.isEmpty { lines.append("Removed: \(named(answer.dropped))") }
        return lines + ["Start WAL streams again, so that they take the new key."]
    }
}
