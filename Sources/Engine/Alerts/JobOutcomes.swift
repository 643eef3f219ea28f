import Domain
import Vaulting

/// The ends of jobs, as alerts judge them.
enum JobOutcomes {
    /// Jobs that ended at or after `moment`; those whose process is gone count as failed.
    static func read(_ context: JobContext, since moment: Timestamp) throws -> [JobVerdict] {
        try Jobs.list(context, since: moment).filter(\.state.isEnd).map { record in
            JobVerdict(
                kind: record.kind,
                instance: record.instance,
                job: record.id,
                state: record.state,
                at: record.time,
                errorCode: record.errorCode,
                skipReason: record.skipReason,
                message: record.message
            )
        }
    }
}
