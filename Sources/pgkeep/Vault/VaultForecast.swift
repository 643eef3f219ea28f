import ArgumentParser
import Domain
import Engine

/// `vault forecast`
struct VaultForecast: Verb {
    static let configuration = CommandConfiguration(
        commandName: "forecast",
        abstract: "Say what a retention and a number of copies would take.",
        discussion: """
            Reckons with what one backup takes and what is added in a day, the mean of the last \
            week. With --size and --per-day it is a calculator and needs no vault: how many days \
            fit into free space of the source's size.

              pgkeep vault forecast --retention 14
              pgkeep vault forecast --size 250GiB --per-day 25GiB
            """
    )

    @Option(help: ArgumentHelp("Days of history to keep.", valueName: "days"))
    var retention = 7

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
        try Limits.check(retention, "--retention", 1...Self.daysMax)
        try Limits.check(copies, "--copies", 1...Self.copiesMax)
        try Limits.checkPrice(price)
        if let figures = try figures() {
            let instance = ForecastReport.Instance(
                name: "calculated",
                figures,
                retentionDays: retention,
                copies: copies,
                price: price
            )
            return ForecastReport([instance], retentionDays: retention, copies: copies)
        }
        return try ForecastReport.read(
            session.context(),
            instance: instanceName.map { try InstanceName(checking: $0) },
            retentionDays: retention,
            copies: copies,
            price: price
        )
    }

    /// What the calculator is given; nil when the vault is to be asked. What a day adds is all
    /// there is then: such figures count a day's backup and WAL together.
    private func figures() throws -> StorageForecast? {
        guard size != nil || perDay != nil else { return nil }
        guard let size, let perDay, instanceName == nil else {
            throw PgkeepError(
                .usage,
                "--size and --per-day go together, and without --instance",
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
            ["INSTANCE", "ONE BACKUP", "PER DAY", "TAKES", "QUOTA", "LASTS", "BEYOND", "COSTS"],
            numbers: Set(1...5)
        )
        for instance in answer.instances {
            table.add([
                instance.name, Wording.bytes(instance.baseBytes),
                Wording.bytes(instance.growthPerDay), Wording.bytes(instance.bytes),
                Wording.bytes(instance.cost.quotaBytes),
                instance.freeDays.map { Wording.count($0, "day") } ?? "",
                UsageText.beyond(instance.cost), UsageText.price(instance.cost),
            ])
        }
        let copies = Wording.count(answer.copies, "copy", "copies")
        var lines = table.lines
        lines.append(
            "\(Wording.count(answer.retentionDays, "day")) in \(copies) take "
                + "\(Wording.bytes(answer.totalBytes))."
        )
        if let free = answer.freeBytes {
            let left = answer.daysLeft.map { ", enough for \(Wording.count($0, "day"))" } ?? ""
            lines.append("The vault's storage has \(Wording.bytes(free)) left\(left).")
        }
        return lines
    }
}
