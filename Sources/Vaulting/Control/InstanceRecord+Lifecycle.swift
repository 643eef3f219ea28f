public import Domain

extension InstanceRecord {
    /// Whether an instance is being protected.
    public enum State: String, Hashable, Sendable, Codable, CaseIterable {
        /// Backups and WAL are taken.
        case active
        /// Nothing is taken, nothing expires.
        case stoppedForever = "stopped-forever"
        /// Nothing is taken; points expire as their policy says, but for the newest.
        case stoppedPolicy = "stopped-policy"
        /// In the trash: nothing of it can be restored unless it is taken out again.
        case deleted

        /// Reads a state; `stopped` is what earlier versions called `stopped-forever`.
        public init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            let text = try container.decode(String.self)
            guard let state = text == "stopped" ? .stoppedForever : State(rawValue: text) else {
                throw DecodingError.dataCorruptedError(
                    in: container,
                    debugDescription: "\(text) is no state of an instance"
                )
            }
            self = state
        }
    }

    /// Who may reach an instance. A restore from one into the other needs a word of the operator.
    public enum Exposure: String, Hashable, Sendable, Codable, CaseIterable {
        /// Its own network only.
        case `private`
        /// Everybody.
        case `public`
    }

    /// What nobody may do to an instance before the lock is taken off.
    public enum LockLevel: String, Hashable, Sendable, Codable, CaseIterable {
        /// End its protection, or lose anything it has.
        case delete
        /// That, and change it in any other way.
        case readonly
    }

    /// Why an instance is stopped or deleted.
    public enum Reason: String, Hashable, Sendable, Codable, CaseIterable {
        /// The server was taken out of service.
        case decommissioned
        /// It went to another place and is protected there.
        case migrated
        /// It was for a test.
        case test
        /// Keeping it costs too much.
        case cost
        /// It was added by mistake.
        case mistake
        /// Anything else; the comment says what.
        case other
    }

    /// What is written down when an instance is deleted.
    public struct Trash: Hashable, Sendable, Codable {
        /// When.
        public var deletedAt: Timestamp
        /// When pruning deletes what there is of it, for good.
        public var purgeAt: Timestamp
        /// Why.
        public var reason: Reason
        /// The operator's own words.
        public var comment: String
        /// Who: user and host.
        public var by: String
        /// What it was before.
        public var formerState: State
        /// The point that outlives the purge.
        public var finalPoint: PointID?
        /// Until when it does; nil when for ever.
        public var keepUntil: Timestamp?
        /// Since when it is being deleted for good: there is no way back any more.
        public var purgingSince: Timestamp?

        enum CodingKeys: String, CodingKey {
            case reason, comment, by
            case deletedAt = "deleted_at"
            case purgeAt = "purge_at"
            case formerState = "former_state"
            case finalPoint = "final_point"
            case keepUntil = "keep_until"
            case purgingSince = "purging_since"
        }

        /// What a deletion writes.
        public init(
            deletedAt: Timestamp,
            purgeAt: Timestamp,
            reason: Reason,
            comment: String,
            by: String,
            formerState: State
        ) {
            self.deletedAt = deletedAt
            self.purgeAt = purgeAt
            self.reason = reason
            self.comment = comment
            self.by = by
            self.formerState = formerState
        }
    }
}
