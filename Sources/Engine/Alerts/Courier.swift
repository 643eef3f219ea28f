public import Domain
public import Platform
public import Vaulting

/// One announcement and the channel it is for.
public struct AlertParcel: Sendable {
    /// The channel.
    public var channel: ChannelRecord
    /// What it is told.
    public var notice: AlertNotice

    /// A parcel.
    public init(channel: ChannelRecord, notice: AlertNotice) {
        self.channel = channel
        self.notice = notice
    }
}

/// Brings announcements to channels: runs commands, calls servers, sends mail.
public struct Courier: Sendable {
    private let origin: String
    private let vault: String
    private let host: String
    private let sendmail: String?
    private let clock: any Clock

    /// Seconds after which nothing more is begun: who has claimed must be done while it counts.
    private static let secondsMax: Double = 200

    /// A courier of this host.
    ///
    /// - Parameters:
    ///   - vault: the vault; nil when it is out of reach.
    ///   - place: where the vault is.
    ///   - sendmail: the program that sends mail; nil: wherever it usually is.
    public init(
        _ vault: Vault?,
        place: String,
        sendmail: String?,
        clock: any Clock = SystemClock()
    ) {
        host = ProcessIdentity.current().host
        origin = vault.map { $0.id.description } ?? "local-\(host)"
        self.vault = place
        self.sendmail = sendmail
        self.clock = clock
    }

    /// Delivers, channels side by side, each in order up to its first failure. How each ended.
    public func deliver(_ parcels: [AlertParcel]) async -> [AlertBoard.Outcome] {
        let begun = clock.monotonicSeconds
        let channels = Dictionary(grouping: parcels.indices) { parcels[$0].channel.name }
        return await withTaskGroup(of: [(Int, AlertBoard.Outcome)].self) { group in
            for indices in channels.values {
                group.addTask {
                    var outcomes: [(Int, AlertBoard.Outcome)] = []
                    for index in indices.sorted() {
                        if clock.monotonicSeconds - begun > Self.secondsMax { break }
                        do throws(PgkeepError) {
                            try await deliver(parcels[index])
                            outcomes.append((index, .delivered))
                        } catch {
                            outcomes.append((index, .failed(Self.words(error))))
                            break
                        }
                    }
                    return outcomes
                }
            }
            var all = [AlertBoard.Outcome](repeating: .untried, count: parcels.count)
            for await outcomes in group {
                for (index, outcome) in outcomes { all[index] = outcome }
            }
            return all
        }
    }

    /// Delivers one. Throws why it cannot be.
    public func deliver(_ parcel: AlertParcel) async throws(PgkeepError) {
        let channel = parcel.channel
        var notice = parcel.notice
        var document = AlertDocument(notice, origin: origin, vault: vault, host: host)
        var text = try document.text()
        if text.utf8.count > PipedProgram.bytesMax {
            notice = notice.short
            let place = String(vault.unicodeScalars.prefix(200))
            document = AlertDocument(notice, origin: origin, vault: place, host: host)
            text = try document.text()
        }
        switch channel.means {
        case .exec:
            try await PipedProgram.run(
                "/bin/sh",
                ["-c", channel.target],
                text: text,
                what: "the command of \(channel.name)",
                hint: "run it by hand on this host",
                secondsMax: 30
            )
        case .webhook:
            try await Webhook.send(
                text,
                id: document.eventID,
                to: (channel.target, channel.secret ?? "", channel.destination),
                at: clock.now
            )
        case .email:
            let mail = AlertMail.text(
                notice,
                to: channel.target,
                id: document.eventID,
                host: host
            )
            try await AlertMail.send(String(mail.prefix(1000)), by: sendmail)
        }
    }

    private static func words(_ error: PgkeepError) -> String {
        String("\(error)".split(whereSeparator: \.isNewline).joined(separator: " ").prefix(300))
    }
}
