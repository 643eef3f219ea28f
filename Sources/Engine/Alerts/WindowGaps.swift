package import Domain

/// Gaps of the recovery window as alerts: one for each, which names it, until it leaves the window.
///
/// Told from what was written down when WAL was given up, so that none is missed between two looks,
/// however soon a backup behind it makes all well again.
package enum WindowGaps {
    /// The alerts of an instance; what an operator stopped and what was pruned is no loss.
    package static func conditions(
        _ instance: InstanceName,
        _ losses: [WALHoldings.Loss],
        segmentSize: WALSegmentSize
    ) -> [AlertCondition] {
        losses.filter { ![.stopped, .pruned].contains($0.cause) }.map { loss in
            let first = WALSegment(
                timeline: loss.timeline,
                containing: loss.start,
                size: segmentSize
            )
            return AlertCondition(
                .windowGap,
                instance: instance,
                subject: "\(instance):\(first.name)",
                "WAL \(loss.start) to \(loss.end) of timeline \(loss.timeline) is missing:"
                    + " \(loss.cause.words)",
                next: "pgkeep window show \(instance)"
            )
        }
    }
}
