import Domain
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
}
