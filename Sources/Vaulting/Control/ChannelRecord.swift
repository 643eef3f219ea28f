public import Domain
public import Platform

/// A way to tell people of alerts, as all hosts that share the vault know it.
///
/// It holds secrets (a webhook's key, and its address, which often is one): sealed like every
/// record, and never shown. `destination` is what may be.
public struct ChannelRecord: Hashable, Sendable, Codable {
    /// How people are told.
    public enum Means: String, Hashable, Sendable, Codable, CaseIterable {
        /// A command gets the event as JSON on its standard input.
        case exec
        /// A server gets it by a signed HTTP request.
        case webhook
        /// An address gets a mail, by this host's sendmail.
        case email
    }

    /// The operator's name for it; also the record's id.
    public var name: String
    /// How.
    public var means: Means
    /// The command, the URL, or the address.
    public var target: String
    /// The key a webhook's requests are signed with.
    public var secret: String?
    /// Nothing milder is told.
    public var minSeverity: AlertSeverity
    /// Only this instance; nil: all.
    public var instance: InstanceName?
    /// When it was added.
    public var createdAt: Timestamp
    /// Who added it.
    public var by: String

    enum CodingKeys: String, CodingKey {
        case name, means, target, secret, instance, by
        case minSeverity = "min_severity"
        case createdAt = "created_at"
    }

    /// A channel.
    public init(
        name: String,
        means: Means,
        target: String,
        secret: String? = nil,
        minSeverity: AlertSeverity = .warning,
        instance: InstanceName? = nil,
        createdAt: Timestamp,
        by: String
    ) {
        self.name = name
        self.means = means
        self.target = target
        self.secret = secret
        self.minSeverity = minSeverity
        self.instance = instance
        self.createdAt = createdAt
        self.by = by
    }

    /// Where it leads, as far as it may be shown: of a URL only scheme and host.
    public var destination: String {
        guard means == .webhook else { return target }
        let parts = target.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count > 2 else { return "webhook" }
        let host = parts[2].split(separator: "@").last ?? ""
        return "\(parts[0])//\(host.prefix { $0 != "?" && $0 != "#" })"
    }

    /// Which announcements it wants.
    public var route: AlertRoute {
        AlertRoute(channel: name, minSeverity: minSeverity, instance: instance)
    }
}

extension Vault {
    /// The alerts of this vault: one record, `board`, so that a change and what is told of it are
    /// one.
    public func alertBoards(clock: any Clock = SystemClock()) -> RecordStore<AlertBoard> {
        RecordStore(self, kind: "alert", clock: clock)
    }

    /// The channels of this vault, by name.
    public func channels(clock: any Clock = SystemClock()) -> RecordStore<ChannelRecord> {
        RecordStore(self, kind: "alert-channel", clock: clock)
    }

    /// When people do not want to be told, by random ids.
    public func mutes(clock: any Clock = SystemClock()) -> RecordStore<AlertMute> {
        RecordStore(self, kind: "alert-mute", clock: clock)
    }
}
