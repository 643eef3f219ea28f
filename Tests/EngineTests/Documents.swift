import Domain

/// What pgkeep answers with `--json`, as far as tests look at it.
extension ProtectedServer {
    /// A recovery point.
    struct Point: Decodable {
        var id = ""
        var state = ""
        var trigger = ""
        var method = ""
        var parent: String?
        var startedAt = ""
        var finishedAt = ""
        var startLsn = ""
        var stopLsn = ""
        var timeline = 0
        var files = 0
        var logicalBytes = 0
        var storedBytes = 0
        var pagesTotal = 0
        var pagesNew = 0
        /// Only in the answer of the backup itself.
        var warnings: [String]?
        var hints: [String]?
    }

    /// All points of an instance, oldest first.
    struct PointList: Decodable {
        var points: [Point]
    }

    /// The recovery window.
    struct Window: Decodable {
        struct Interval: Decodable {
            var earliest: Timestamp
            var latest: Timestamp
            var earliestLsn: LSN
            var latestLsn: LSN
            var timeline: UInt32
            var points: [String]
            var streamedUntil: Timestamp?
        }

        struct Gap: Decodable {
            var fromLsn: LSN
            var toLsn: LSN
            var cause: String
        }

        var intervals: [Interval]
        var gaps: [Gap]
    }

    /// What a restore would do.
    struct Plan: Decodable {
        var reachable: Bool
        var reason: String
        var point: String?
        var timeline: UInt32?
        var effectiveTime: Timestamp?
        var effectiveLsn: LSN?
        var warnings: [String]
    }

    /// What a restore with `--run` did.
    struct Restored: Decodable {
        struct Server: Decodable {
            var port: Int
            var socket: String?
            var log: String
            var paused: Bool
        }

        var point: String
        var directory: String
        var requestedTime: Timestamp?
        var effectiveTime: Timestamp?
        var effectiveLsn: LSN?
        var timeline: UInt32?
        var files: Int
        var warnings: [String]
        var server: Server?
    }
}
