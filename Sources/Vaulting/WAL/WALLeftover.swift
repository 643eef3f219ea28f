import Domain
import Platform
import Storage

/// A journal or part that an ended session left of a segment which is being received again.
struct WALLeftover {
    let name: WALObjectName
    let size: UInt64
    /// WAL bytes in it, up to the first damage.
    let length: UInt64
    let isDamaged: Bool

    /// Nil when it is gone, or belongs to a session that may still be writing.
    init?(
        _ vault: Vault,
        _ entry: WALArchive.Entry,
        successor: PointID,
        clock: any Clock
    ) throws {
        name = entry.name
        size = entry.size
        do {
            let reader = try WALObjectReader(vault, entry.name, size: entry.size)
            guard try Self.isAbandoned(vault, entry, reader.head, successor, clock) else {
                return nil
            }
            var damaged = false
            do {
                try reader.readToEnd()
            } catch let error as PgkeepError where error.code == .integrity {
                damaged = true
            }
            length = reader.length
            isDamaged = damaged
        } catch let error as PgkeepError where error.code == .notFound {
            return nil
        } catch let error as PgkeepError where error.code == .integrity {
            length = 0
            isDamaged = true
        }
    }

    private static func isAbandoned(
        _ vault: Vault,
        _ entry: WALArchive.Entry,
        _ head: WALHead?,
        _ successor: PointID,
        _ clock: any Clock
    ) throws -> Bool {
        if case .part = entry.name.form { return true }
        guard let head else {
            // Begun and never written to; a living writer writes the head at once.
            return clock.now.seconds(since: entry.modified) > LeaseRecord.silenceSeconds
        }
        guard head.writer != successor else { return true }
        let lease = try Lease.read(vault, head.systemIdentifier, head.writer)
        return lease?.isDead(now: clock.now) ?? true
    }

    /// Removes it, its bytes being durable in another object now. If they differ from those, or
    /// cannot all be read, they are kept aside first; the alarm is returned.
    func settle(
        _ vault: Vault,
        _ segment: WALSegment,
        _ successor: () throws -> WALObjectReader
    ) throws -> WALDivergence? {
        var divergence: WALDivergence?
        do {
            let other = try successor()
            var found = WALDivergence(
                segment: segment,
                firstDifference: nil,
                kept: other.name.object,
                aside: name.object,
                damage: nil
            )
            if isDamaged {
                // The bytes themselves are the only evidence; nothing is gained by copying them.
                found.damage = "\(name) cannot be read to its end"
                return found
            }
            let mine = try WALObjectReader(vault, name, size: size)
            if let offset = try WALComparison.firstDifference(other, mine) {
                found.firstDifference = segment.start + offset
                found.aside = try keepAside(vault).object
                divergence = found
            }
            try vault.store.delete(name.object)
        } catch let error as PgkeepError where error.code == .notFound {
            // Somebody else has settled it.
        }
        return divergence
    }

    private func keepAside(_ vault: Vault) throws -> WALObjectName {
        let reader = try WALObjectReader(vault, name, size: size)
        guard let head = reader.head else {
            throw PgkeepError.damaged(name.object, "it has bytes but no head")
        }
        let copy = try WALObjectWriter(vault, head: head, visible: false)
        try copy.append(contentsOf: reader)
        try copy.close(summary: nil)
        let aside = WALObjectName.alternate(of: name)
        guard try copy.publish(as: aside) else {
            throw PgkeepError.damaged(aside.object, "a name nobody can have chosen is taken")
        }
        return aside
    }
}
