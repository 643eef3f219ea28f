import ArgumentParser
import Domain
import Engine

/// `vault forecast`
struct VaultForecast: Verb {
    static let configuration = CommandConfiguration(
        commandName: "forecast",
        abstract: "Say what a policy, a retention and a number of copies would take.",
        discussion: """
            Reckons with what one backup takes and what is added in a day, the mean of the last \
            week. Each instance is reckoned with its own policy, unless --policy or --retention \
            names another; points kept for weeks, months and years count as what changes between \
            them. \
            With --size and --per-day it is a calculator and needs no vault: how many days \
            fit into free space of the source's size.

              pgkeep vault forecast
              pgkeep vault forecast --policy archive --instance main
              pgkeep vault forecast --retention 14 --copies 2
              pgkeep vault forecast --size 250GiB --per-day 25GiB
            """
    )

    @Option(
        help: ArgumentHelp(
            "Days of history to keep, and nothing older (default: as the policies say; 7 with "
                + "--size).",
            valueName: "days"
        )
    )
    var retention: Int?

    @Option(
        name: .customLong("policy"),
        help: ArgumentHelp("As if every instance had this policy.", valueName: "name")
    )
    var policyName: String?

    @Option(help: ArgumentHelp("Copies of the vault.", valueName: "number"))
    var copies = 1

    @Option(
        help: ArgumentHelp("The price of a GiB beyond the quota for a month.", valueName: "price")
    )
    var price: Double?

    @Option(
        name: .customLong("instance"),
        help: ArgumentHelp("Only this instance.", valueName: "name")
    )
    var instanceName: String?

    @Option(help: ArgumentHelp("The source's size, like 250GiB.", valueName: "size"))
    var size: String?

    @Option(help: ArgumentHelp("What is added in a day, like 25GiB.", valueName: "size"))
    var perDay: String?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    private static let daysMax = 36_500
    private static let copiesMax = 100

    func answer(_ session: Session) throws -> ForecastReport {
        if let retention { try Limits.check(retention, "--retention", 1...Self.daysMax) }
        guard retention == nil || policyName == nil else {
            throw PgkeepError(
                .usage,
                "--retention and --policy are both given",
                hint: "leave one out; policy set --what-if shows what a change would let go"
            )
        }
        try Limits.check(copies, "--copies", 1...Self.copiesMax)
        try Limits.checkPrice(price)
        if let figures = try figures() {
            let days = retention ?? Policy.standard.retentionDays
            let instance = ForecastReport.Instance(
                name: "calculated",
                figures,
                retentionDays: days,
                copies: copies,
                price: price
            )
            return ForecastReport([instance], retentionDays: days, copies: copies)
        }
        return try ForecastReport.read(
            session.context(),
            instance: instanceName.map { try InstanceName(checking: $0) },
            terms: try terms(),
            copies: copies,
            price: price
        )
    }

    private func terms() throws -> ForecastReport.Terms {
        if let retention { return .retention(days: retention) }
        return try policyName.map { .policy(try PolicyName(checking: $0)) } ?? .ownPolicies
    }

    /// What the calculator is given; nil when the vault is to be asked. What a day adds is all
    /// there is then: such figures count a day's backup and WAL together.
    private func figures() throws -> StorageForecast? {
        guard size != nil || perDay != nil else { return nil }
        guard let size, let perDay, instanceName == nil, policyName == nil else {
            throw PgkeepError(
                .usage,
                "--size and --per-day go together, without --instance and --policy",
                hint: "give both to calculate, or neither to reckon with the vault"
            )
        }
        return StorageForecast(
            baseBytes: 0,
            bytesPerDay: try Limits.bytes(perDay, "--per-day"),
            quotaBytes: try Limits.bytes(size, "--size")
        )
    }

    func lines(_ answer: ForecastReport) -> [String] {
        var table = Table(
            [
                "INSTANCE", "POLICY", "DAYS", "ONE BACKUP", "PER DAY", "TAKES", "QUOTA", "LASTS",
                "BEYOND", "COSTS",
            ],
            numbers: Set(2...7)
        )
        for instance in answer.instances {
            table.add([
                instance.name, instance.policy?.description ?? "",
                String(instance.retentionDays), Wording.bytes(instance.baseBytes),
                Wording.bytes(instance.growthPerDay), Wording.bytes(instance.bytes),
                Wording.bytes(instance.cost.quotaBytes),
                instance.freeDays.map { Wording.count($0, "day") } ?? "",
                UsageText.beyond(instance.cost), UsageText.price(instance.cost),
            ])
        }
        let copies = Wording.count(answer.copies, "copy", "copies")
        var lines = table.lines
        let days = answer.retentionDays.map { Wording.count($0, "day") } ?? "What the policies keep"
        lines.append("\(days) in \(copies): \(Wording.bytes(answer.totalBytes)) in the end.")
        if let free = answer.freeBytes {
            let left = answer.daysLeft.map { ", enough for \(Wording.count($0, "day"))" } ?? ""
            let end =
                answer.fits == false ? "; all of it will not fit" : left.isEmpty ? "" : " of growth"
            lines.append("The vault's storage has \(Wording.bytes(free)) left\(left)\(end).")
        }
        return lines
    }
}
