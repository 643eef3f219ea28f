import Domain
import Platform
import Storage
import TestSupport
import Vaulting

/// A way to get the protocol of commits and pruning wrong, put between the code and its store: what
/// the code does then looks to everybody else as if it were written that way.
final class ProtocolMutant: Sendable {
    enum Kind: String, CaseIterable, Sendable {
        /// Writers hold no lease.
        case noLease
        /// Writers do not look at their parent again once they have one (W3).
        case noRecheck
        /// A root replaces what is there (W5).
        case unconditionalCommit
        /// Markers newer than the list of leases are used (P2 after P3).
        case lateMarkers
        /// What roots need is read before packs are listed, who has a root after (P6 before P5).
        case earlyRoots
        /// Dead sessions are not fenced.
        case noFence

        var isOfWriters: Bool { [.noLease, .noRecheck, .unconditionalCommit].contains(self) }
    }

    private struct State {
        var objects: [ObjectName: [UInt8]]?
        var kept = ""
    }

    private let kind: Kind
    private let vault: Vault
    private let state = Condition(State())
    private static let system = SyntheticBackup.system

    /// - Parameter vault: the vault on the shared store itself.
    init(_ kind: Kind, _ vault: Vault, _ base: MemoryStore) {
        self.kind = kind
        self.vault = vault
        if kind == .noRecheck { keep(VaultNames.rootPrefix(Self.system), of: base) }
    }

    func skips(put name: ObjectName) -> Bool { kind == .noLease && name.text.contains("/lease/") }

    func putIfAbsent(_ name: ObjectName, _ bytes: [UInt8], in base: MemoryStore) throws -> Bool? {
        guard name.text.contains("/rp/") else { return nil }
        switch kind {
        case .unconditionalCommit:
            try base.put(name, bytes)
            return true
        case .noFence: return true
        default: return nil
        }
    }

    /// The answer to a head call: nil leaves it to the store, `.some(nil)` is "absent".
    func head(_ name: ObjectName) throws -> ObjectInfo?? {
        guard kind == .noRecheck else { return nil }
        if name.text.contains("/gone/") { return .some(nil) }
        guard let bytes = try get(name) else { return nil }
        return ObjectInfo(
            name: name,
            size: UInt64(bytes.count),
            modified: Timestamp(seconds: 0)
        )
    }

    func get(_ name: ObjectName) throws -> [UInt8]? {
        let (objects, kept) = state.read { ($0.objects, $0.kept) }
        guard let objects, name.text.hasPrefix(kept) else { return nil }
        if let bytes = objects[name] { return bytes }
        guard kind == .earlyRoots else { return nil }
        return try Sealed.encode(
            vault,
            name,
            kind: .tombstone,
            system: Self.system,
            frames: [(.info, Array("{}".utf8))]
        )
    }

    /// Makes ready what later calls answer from; true when others shall be let in before this one.
    func begin(list prefix: String, in base: MemoryStore) -> Bool {
        switch kind {
        case .lateMarkers where prefix == VaultNames.gonePrefix(Self.system):
            keep(VaultNames.leasePrefix(Self.system), of: base)
            return true
        case .earlyRoots where prefix == VaultNames.packPrefix(Self.system):
            keep(VaultNames.rootPrefix(Self.system), of: base)
            return true
        default: return false
        }
    }

    func list(_ prefix: String) throws -> [ObjectInfo]? {
        guard kind == .lateMarkers else { return nil }
        return state.read { state in
            guard prefix == state.kept, let objects = state.objects else { return nil }
            return objects.sorted { $0.key < $1.key }.map {
                ObjectInfo(
                    name: $0.key,
                    size: UInt64($0.value.count),
                    modified: Timestamp(seconds: 0)
                )
            }
        }
    }

    private func keep(_ prefix: String, of base: MemoryStore) {
        var objects: [ObjectName: [UInt8]] = [:]
        for name in base.names where name.text.hasPrefix(prefix) {
            objects[name] = base.peek(name)
        }
        state.change { $0 = State(objects: objects, kept: prefix) }
    }
}
