package import Domain
import Postgres
package import Vaulting

/// Judges the pages of a recovery point by PostgreSQL's checksums, as `pg_basebackup` does.
///
/// Only pages of relations, only where the cluster has checksums, no page that was never used, and
/// none whose last change is not older than the backup: it may have been torn while it was read,
/// and replay writes it anew. Source: verify_page_checksum, src/backend/backup/basebackup.c.
package enum PageJudgement {
    /// The judge of one file of a point; nil when its pages have no checksums.
    package static func judge(
        _ point: RecoveryPoint,
        path: [UInt8],
        size: UInt64
    ) -> VaultCheck.PageJudge? {
        guard point.dataChecksums, Int(point.blockSize) == PageChecksum.pageSize,
            let relation = RelationPath(path), !relation.isTemporary
        else { return nil }
        // A last page that is cut is none; there is none while no crash cut the file.
        let whole = size / UInt64(PageChecksum.pageSize)
        let start = point.startLSN
        return { number, page in
            guard UInt64(number) < whole else { return nil }
            let block = relation.firstBlock &+ UInt32(number)
            guard
                case .wrong(let expected, let found, let lsn) = PageChecksum.verify(
                    page,
                    block: block
                ), lsn < start
            else { return nil }
            return "its checksum is \(found), but should be \(expected)"
        }
    }
}
