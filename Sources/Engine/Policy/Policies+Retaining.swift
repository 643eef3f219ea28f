public import Domain

extension Policies {
    /// The policy of an instance added with nothing but a number of days: `default` when that is
    /// what it has, else `retention-N`, which is made when it is not there.
    ///
    /// Throws `.usage` for days out of range, `.refused` when the policy of that name has been
    /// given another retention.
    public static func retaining(_ context: JobContext, days: Int) throws -> PolicyName {
        let standard = try find(context, .standard)
        if standard.retentionDays == days { return .standard }
        let name = try PolicyName(checking: "retention-\(days)")
        var policy = standard
        policy.name = name
        policy.retentionDays = days
        try policy.validate()
        do {
            return try create(context, policy).policy.name
        } catch let error as PgkeepError where error.code == .exists {
            let found = try find(context, name)
            guard found.retentionDays == days else {
                throw PgkeepError(
                    .refused,
                    "the policy \(name) keeps \(found.retentionDays) days by now",
                    hint: "name the policy you mean with --policy; see pgkeep policy list"
                )
            }
            return name
        }
    }
}
