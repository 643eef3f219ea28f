/// How much an alert matters, the worst first.
public enum AlertSeverity: String, Hashable, Sendable, Codable, Comparable, CaseIterable {
    /// 0: somebody did what could hide or destroy backups. Always told, never muted or disabled.
    case security
    /// 1: what was promised may not hold: something cannot be restored, or not as new as it should.
    case critical
    /// 2: nothing is lost yet, and will be unless somebody looks.
    case warning
    /// 3: good to know.
    case info

    /// 0 for the worst, 3 for the mildest.
    public var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }

    /// The worst comes first.
    public static func < (left: AlertSeverity, right: AlertSeverity) -> Bool {
        left.rank < right.rank
    }

    /// True when this matters more than `other`.
    public func isWorse(than other: AlertSeverity) -> Bool { self < other }
}
