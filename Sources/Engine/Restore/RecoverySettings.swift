import Postgres

/// The settings a restored copy starts with: how it recovers, and what keeps it from reaching out.
///
/// They are appended to `postgresql.auto.conf`, where the last value of a name counts and every way
/// of starting the server (pg_ctl, systemd, a container) reads them.
public struct RecoverySettings: Sendable {
    /// One `name = value` line.
    public struct Setting: Hashable, Sendable {
        /// The setting's name.
        public var name: String
        /// Its value, unquoted.
        public var value: String

        /// A setting.
        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// PostgreSQL's major version.
    public var major: Int
    /// The shell command that fetches WAL, with `%f` and `%p`.
    public var restoreCommand: String
    /// Run once when recovery ends; empty for none.
    public var recoveryEndCommand: String
    /// `recovery_target_*` but the timeline and action; empty means the end of the WAL. At most one
    /// kind of target: PostgreSQL refuses several, and an empty one counts when it comes last.
    public var target: [Setting]
    /// The timeline to follow, a number or `current`: `latest` would follow any stray history file.
    public var timeline: String
    /// Stop at the target and wait instead of promoting.
    public var pauses: Bool
    /// Settings replay needs at least as high as the source had them.
    public var floors: [Setting]
    /// False leaves archiving, replication and network settings as the source had them.
    public var isHarmless: Bool
    /// Of what the copy is one, in words: a harmless copy says so to whoever would protect it.
    public var origin = ""
    /// The preloaded libraries without those that run jobs, when the source had any of these.
    public var preloadLibraries: String?
    /// The port the copy listens on, when chosen.
    public var port: Int?
    /// Where the copy puts its Unix socket; nil for none.
    public var socketDirectory: String?
    /// True when tablespaces lie within the data directory: recovery refuses them unless told.
    public var hasInnerTablespaces: Bool
    /// The operator's own `--set` choices, which come last and win.
    public var overrides: [Setting]

    /// Settings for one restore.
    public init(
        major: Int,
        restoreCommand: String,
        recoveryEndCommand: String,
        target: [Setting],
        timeline: String,
        pauses: Bool,
        floors: [Setting],
        isHarmless: Bool,
        preloadLibraries: String?,
        port: Int?,
        socketDirectory: String?,
        hasInnerTablespaces: Bool = false,
        overrides: [Setting]
    ) {
        self.major = major
        self.restoreCommand = restoreCommand
        self.recoveryEndCommand = recoveryEndCommand
        self.target = target
        self.timeline = timeline
        self.pauses = pauses
        self.floors = floors
        self.isHarmless = isHarmless
        self.preloadLibraries = preloadLibraries
        self.port = port
        self.socketDirectory = socketDirectory
        self.hasInnerTablespaces = hasInnerTablespaces
        self.overrides = overrides
    }

    /// Names that must not stand in any file of the copy from before: a target or command of an
    /// earlier restore would mix with this one's, and a process id file is the source's own.
    public static let superseded: Set<String> = [
        "restore_command", "recovery_end_command", "recovery_target", "recovery_target_name",
        "recovery_target_time", "recovery_target_xid", "recovery_target_lsn",
        "recovery_target_inclusive", "recovery_target_timeline", "recovery_target_action",
        "external_pid_file",
    ]

    /// All settings in the order they are written.
    public var settings: [Setting] { recovery + floors + (isHarmless ? harmless : []) + overrides }

    /// The block to append to `postgresql.auto.conf`.
    public func text(heading: String) -> String {
        var lines = ["", "# \(heading)"]
        for setting in settings {
            lines.append("\(setting.name) = \(ConfigurationText.quoted(setting.value))")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private var recovery: [Setting] {
        var settings = [Setting("restore_command", restoreCommand)]
        settings.append(Setting("recovery_end_command", recoveryEndCommand))
        settings += target
        settings.append(Setting("recovery_target_timeline", timeline))
        settings.append(Setting("recovery_target_action", pauses ? "pause" : "promote"))
        if hasInnerTablespaces { settings.append(Setting("allow_in_place_tablespaces", "on")) }
        return settings
    }

    /// What keeps a copy from archiving, replicating, running jobs, or being reached from
    /// elsewhere, and from depending on files only the source's host has.
    private var harmless: [Setting] {
        var settings = [
            Setting("archive_mode", "off"), Setting("archive_command", ""),
            Setting("archive_cleanup_command", ""), Setting("primary_conninfo", ""),
            Setting("primary_slot_name", ""), Setting("synchronous_standby_names", ""),
            Setting("max_logical_replication_workers", "0"),
            Setting("listen_addresses", "localhost"), Setting("ssl", "off"),
            Setting("logging_collector", "off"), Setting("huge_pages", "try"),
            Setting("unix_socket_directories", socketDirectory ?? ""),
            Setting(ServerProfile.restoredCopyMark, origin),
        ]
        if major <= 15 { settings.append(Setting("promote_trigger_file", "")) }
        if major >= 15 { settings.append(Setting("archive_library", "")) }
        if major >= 17 { settings.append(Setting("sync_replication_slots", "off")) }
        if major >= 18 { settings.append(Setting("io_method", "worker")) }
        if let preloadLibraries {
            settings.append(Setting("shared_preload_libraries", preloadLibraries))
        }
        if let port { settings.append(Setting("port", String(port))) }
        return settings
    }

    /// `libraries` (a value of shared_preload_libraries) without those that run jobs by themselves;
    /// nil when there are none of them and the value can stay.
    public static func withoutJobRunners(_ libraries: String) -> String? {
        let runners: Set<String> = ["pg_cron", "pg_partman_bgw", "pg_timetable", "pgagent"]
        let all = libraries.split(separator: ",").map {
            $0.filter { !$0.isWhitespace && $0 != "\"" }
        }
        let kept = all.filter { !runners.contains(String($0.split(separator: "/").last ?? "")) }
        return kept.count == all.count ? nil : kept.joined(separator: ",")
    }
}
