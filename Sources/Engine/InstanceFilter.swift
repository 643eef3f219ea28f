public import Domain
public import Vaulting

/// Which instances a list is to show: all that meet every condition named.
public struct InstanceFilter: Sendable {
    /// States, of which one; empty is any.
    public var states: Set<InstanceRecord.State> = []
    /// Those whose server is gone for good, besides `states`.
    public var isDeprovisioned = false
    /// Policies, of which one; empty is any.
    public var policies: Set<PolicyName> = []
    /// Labels all of which must be there; with a nil value whatever it is.
    public var labels: [(key: String, value: String?)] = []

    /// Everything.
    public init() {}

    /// True when an instance is to be shown.
    public func accepts(_ instance: InstanceRecord) -> Bool {
        ((states.isEmpty && !isDeprovisioned) || states.contains(instance.state)
            || (isDeprovisioned && instance.isDeprovisioned))
            && (policies.isEmpty || policies.contains { $0.description == instance.policy })
            && labels.allSatisfy { key, value in
                guard let found = instance.labels[key] else { return false }
                return value == nil || found == value
            }
    }
}
