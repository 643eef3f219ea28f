public import Domain
import Platform

/// Verifies data pages the way PostgreSQL does, plus what it leaves out.
///
/// Source of the format: src/include/storage/{bufpage,checksum_impl}.h, the same in 13–18.
public enum PageChecksum {
    /// Bytes of a page.
    public static let pageSize = 8192

    /// What a page looks like.
    public enum Verdict: Hashable, Sendable {
        /// The checksum is right.
        case sound
        /// Never used: all zeros.
        case new
        /// The header says never used, but there is something else than zeros.
        case dirtyNew
        /// The checksum is wrong; `lsn` is the position of the last WAL record that changed the
        /// page.
        case wrong(expected: UInt16, found: UInt16, lsn: LSN)
    }

    /// Judges one page, `block` being its number within the relation's fork.
    ///
    /// Pages of a raw base backup with an `lsn` at or after the backup's start may be torn; replay
    /// repairs them.
    public static func verify(_ page: UnsafeRawBufferPointer, block: UInt32) -> Verdict {
        precondition(page.count == pageSize)
        guard page.field(14, as: UInt16.self) != 0 else { return isZero(page) ? .new : .dirtyNew }
        let expected = pageChecksum(page, block: block)
        let found: UInt16 = page.field(8)
        guard expected != found else { return .sound }
        return .wrong(expected: expected, found: found, lsn: lsn(of: page))
    }

    /// The position of the last WAL record that changed the page.
    public static func lsn(of page: UnsafeRawBufferPointer) -> LSN {
        // Two halves, the high one first, each in native order.
        LSN(UInt64(page.field(0, as: UInt32.self)) << 32 | UInt64(page.field(4, as: UInt32.self)))
    }
}
