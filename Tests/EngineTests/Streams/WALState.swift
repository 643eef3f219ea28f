import Domain
import TestSupport

extension ProtectedServer {
    /// What `wal status` answers.
    struct WALState: Decodable {
        var streaming: Bool
        var lagBytes: UInt64?
        var pause: String?
        var failure: String?
        var source: String?
        var slotRetainedBytes: UInt64?
        var safeWalBytes: UInt64?
        var slotState: String?
        var slotWarning: String?
        var slotNote: String?
    }

    /// How the archive stands.
    func walState(_ variables: [String: String] = [:]) throws -> WALState {
        try Self.read(
            pgkeep(["wal", "status", Self.name, "--json"], variables),
            as: WALState.self
        )
    }

    /// One backup that was due, or was not.
    struct Due: Decodable {
        struct Entry: Decodable {
            var outcome: String
            var skipReason: String?
            var point: Point?
        }

        var instances: [Entry]
    }

    /// What cron does.
    func runDue(_ arguments: [String] = []) throws -> Due.Entry? {
        try ask(["backup", "run-due"] + arguments, as: Due.self).instances.first
    }
}
