public import Domain
import Platform
public import Vaulting

/// Hands one file of the WAL archive to a recovering server: what its `restore_command` runs.
public enum WALFetch {
    /// Writes the segment or timeline history `file` to `destination`, complete or not at all.
    ///
    /// Needs no key but the one of this instance's WAL.
    /// - Returns: false when the vault certainly does not have it: there is no such object, or the
    ///   name is of no kind that is ever archived. Every doubt throws.
    public static func run(
        vault: Vault,
        systemIdentifier: SystemIdentifier,
        file: String,
        destination: String
    ) throws -> Bool {
        if WALSegment.isName(file) {
            let reader = WALSegmentReader(vault, systemIdentifier)
            return try reader.fetch(file, to: destination) != nil
        }
        guard let timeline = timeline(ofHistory: file) else { return false }
        let archive = TimelineArchive(vault, systemIdentifier)
        guard let content = try archive.content(of: timeline) else { return false }
        try FileSystem.writeAtomically(destination, content)
        return true
    }

    /// The timeline in `0000000A.history`.
    private static func timeline(ofHistory file: String) -> TimelineID? {
        let parts = file.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[1] == "history", parts[0].utf8.count == 8,
            parts[0].utf8.allSatisfy({ (48...57).contains($0) || (65...70).contains($0) })
        else { return nil }
        return TimelineID(parts[0], radix: 16)
    }
}
