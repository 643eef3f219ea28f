public import Domain
import Platform
public import Vaulting

/// The channels of a vault: who is told of alerts, and how.
public enum Channels {
    /// All channels, by name.
    public static func list(_ context: JobContext) throws -> [ChannelRecord] {
        try context.vault.channels(clock: context.clock).listReadable().compactMap(\.value)
    }

    /// Which announcements they want.
    static func routes(_ context: JobContext) throws -> [AlertRoute] {
        try list(context).map(\.route)
    }

    /// The channel called `name`. Throws `.notFound`, naming those there are.
    public static func find(_ context: JobContext, _ name: String) throws -> ChannelRecord {
        let all = try list(context)
        guard let found = all.first(where: { $0.name == name }) else {
            throw PgkeepError(
                .notFound,
                "there is no channel \"\(name)\"",
                hint: all.isEmpty
                    ? "add one: pgkeep notify add NAME --exec CMD | --webhook URL | --email ADDRESS"
                    : "there are: \(all.map(\.name).joined(separator: ", "))"
            )
        }
        return found
    }

    /// Throws `.usage` for a target its means cannot reach, and for a webhook without a key.
    public static func check(_ channel: ChannelRecord) throws(PgkeepError) {
        switch channel.means {
        case .exec:
            guard !channel.target.isEmpty else {
                throw PgkeepError(.usage, "the command is empty", hint: "give --exec CMD")
            }
        case .webhook:
            try Webhook.check(channel.target)
            guard let secret = channel.secret, secret.utf8.count >= secretBytesMin else {
                throw PgkeepError(
                    .usage,
                    "a webhook needs a secret of at least \(secretBytesMin) bytes to sign with",
                    hint: "write one to a file: openssl rand -hex 32; give --secret-file FILE"
                )
            }
        case .email: try AlertMail.check(channel.target)
        }
    }

    private static let secretBytesMin = 16

    /// Adds a channel. Durable on return; an entry goes into the activity log.
    ///
    /// Throws `.usage`, `.exists`, and `.notFound` for an instance that is not there.
    public static func add(_ context: JobContext, _ channel: ChannelRecord) throws {
        guard InstanceName(channel.name) != nil else {
            throw PgkeepError(
                .usage,
                "\"\(channel.name)\" is no name for a channel",
                hint: "use 1 to 63 of a-z, 0-9, - and _, beginning with a letter or digit"
            )
        }
        try check(channel)
        if let instance = channel.instance { _ = try Instances.find(context, instance) }
        try context.vault.channels(clock: context.clock).create(channel.name, channel)
        try log(
            context,
            "notify.add",
            channel.instance,
            [
                "channel": channel.name, "by": channel.means.rawValue,
                "to": channel.destination, "min_severity": channel.minSeverity.rawValue,
            ]
        )
    }

    /// Removes a channel; what waits for it is dropped.
    public static func remove(_ context: JobContext, _ name: String) throws -> ChannelRecord {
        let channel = try find(context, name)
        let store = context.vault.channels(clock: context.clock)
        guard let record = try store.read(name), record.value != nil else { return channel }
        try store.remove(record)
        try log(
            context,
            "notify.remove",
            channel.instance,
            [
                "channel": name, "by": channel.means.rawValue, "to": channel.destination,
            ]
        )
        return channel
    }

    private static func log(
        _ context: JobContext,
        _ action: String,
        _ instance: InstanceName?,
        _ details: [String: String]
    ) throws {
        try ActivityLog(context.vault, context.clock).append(
            action: action,
            instance: instance,
            details: details
        )
    }

    // MARK: Deliveries

    /// What a channel has yet to be told, and why its last try failed.
    public static func waiting(_ context: JobContext) throws -> [AlertDelivery] {
        try AlertRecord.read(context).deliveries.filter { $0.state == .pending }
    }

    // MARK: Mutes

    /// A mute and its id.
    public struct Mute: Sendable, Encodable {
        /// Its id.
        public var id: String
        /// What it covers.
        public var mute: AlertMute
    }

    /// The mutes that are not over, the earliest first.
    public static func mutes(_ context: JobContext) throws -> [Mute] {
        let now = context.clock.now
        return try context.vault.mutes(clock: context.clock).listReadable()
            .compactMap { record in record.value.map { Mute(id: record.id, mute: $0) } }
            .filter { $0.mute.to >= now }
            .sorted { ($0.mute.from, $0.id) < ($1.mute.from, $1.id) }
    }

    /// The longest mute.
    public static let muteDaysMax: Int64 = 90

    /// Keeps notifications back for a span of time. Durable on return.
    ///
    /// Throws `.usage` for a span that is none, is over, or longer than `muteDaysMax`.
    public static func mute(_ context: JobContext, _ mute: AlertMute) throws -> Mute {
        guard mute.from < mute.to, mute.to > context.clock.now else {
            throw PgkeepError(
                .usage,
                mute.from < mute.to ? "the span is over already" : "the span ends before it begins",
                hint: "give --from and --to like 2026-03-14T15:00:00Z"
            )
        }
        guard mute.to <= mute.from.adding(seconds: muteDaysMax * 86400) else {
            throw PgkeepError(
                .usage,
                "a mute of more than \(muteDaysMax) days is no maintenance",
                hint: "remove the channel, or disable the kind: pgkeep alert disable KIND"
            )
        }
        if let channel = mute.channel { _ = try find(context, channel) }
        if let instance = mute.instance { _ = try Instances.find(context, instance) }
        let store = context.vault.mutes(clock: context.clock)
        for old in try store.listReadable()
        where old.value.map({ $0.to < context.clock.now }) ?? false {
            try store.remove(old)
        }
        var generator = SystemRandomNumberGenerator()
        let id = hexadecimal(withUnsafeBytes(of: generator.next() as UInt64) { Array($0) })
        try store.create(id, mute)
        var details = ["mute": id, "from": mute.from.description, "to": mute.to.description]
        details["channel"] = mute.channel
        try log(context, "notify.mute", mute.instance, details)
        return Mute(id: id, mute: mute)
    }

    /// Ends a mute, named by its id or its beginning. Throws `.notFound`, `.usage`.
    public static func unmute(_ context: JobContext, _ text: String) throws -> Mute {
        let found = try mutes(context).filter { !text.isEmpty && $0.id.hasPrefix(text) }
        guard let mute = found.first, found.count == 1 else {
            throw PgkeepError(
                found.isEmpty ? .notFound : .usage,
                found.isEmpty
                    ? "there is no mute \(text)" : "\(found.count) mutes begin with \(text)",
                hint: "list them with pgkeep notify list"
            )
        }
        let store = context.vault.mutes(clock: context.clock)
        if let record = try store.read(mute.id), record.value != nil { try store.remove(record) }
        try log(context, "notify.unmute", mute.mute.instance, ["mute": mute.id])
        return mute
    }
}
