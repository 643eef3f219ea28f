import Domain
import Engine
import Postgres
import TestSupport
import Testing

/// What a restore writes into the copy's settings, and what it reads from the copy's log.
@Suite struct RestoreTextTests {
    private func settings(
        major: Int,
        isHarmless: Bool = true,
        overrides: [RecoverySettings.Setting] = []
    ) -> RecoverySettings {
        RecoverySettings(
            major: major,
            restoreCommand: "'pgkeep' wal fetch %f \"%p\"",
            recoveryEndCommand: "rm -f 'k'",
            target: [.init("recovery_target_time", "2026-01-01 00:00:00+00")],
            timeline: "3",
            pauses: false,
            floors: [.init("max_connections", "300")],
            isHarmless: isHarmless,
            preloadLibraries: "pg_stat_statements",
            port: 5999,
            socketDirectory: nil,
            overrides: overrides
        )
    }

    @Test(arguments: 13...18)
    func `each version gets the settings it knows`(major: Int) {
        let names = Set(settings(major: major).settings.map(\.name))
        #expect(names.contains("promote_trigger_file") == (major <= 15))
        #expect(names.contains("archive_library") == (major >= 15))
        #expect(names.contains("sync_replication_slots") == (major >= 17))
        #expect(names.contains("io_method") == (major >= 18))
        for name in [
            "archive_mode", "archive_command", "primary_conninfo", "primary_slot_name",
            "synchronous_standby_names", "max_logical_replication_workers", "listen_addresses",
            "shared_preload_libraries", "port", "max_connections", "recovery_target_timeline",
        ] { #expect(names.contains(name), "\(name)") }
    }

    @Test func `the text is read as it was meant, and the operator's own choice wins`() {
        let text = settings(
            major: 18,
            overrides: [.init("port", "6000"), .init("archive_mode", "on")]
        )
        .text(heading: "pgkeep restore of main")
        func value(_ name: String) -> String? {
            ConfigurationText.value(of: name, in: Array(text.utf8))
        }
        #expect(value("restore_command") == "'pgkeep' wal fetch %f \"%p\"")
        #expect(value("recovery_end_command") == "rm -f 'k'")
        #expect(value("recovery_target_time") == "2026-01-01 00:00:00+00")
        #expect(value("recovery_target_timeline") == "3")
        #expect(value("recovery_target_action") == "promote")
        #expect(value("port") == "6000")
        #expect(value("archive_mode") == "on")
        #expect(text.hasPrefix("\n# pgkeep restore of main\n"))
    }

    @Test func `a copy that is not to be harmless keeps what only the harmless one loses`() {
        let names = settings(major: 18, isHarmless: false).settings.map(\.name)
        #expect(!names.contains("archive_mode") && !names.contains("listen_addresses"))
        #expect(names.contains("restore_command") && names.contains("max_connections"))
    }

    @Test func `libraries that run jobs are not loaded`() {
        let without = RecoverySettings.withoutJobRunners
        #expect(without("pg_stat_statements, auto_explain") == nil)
        #expect(without("") == nil)
        #expect(without("pg_cron") == "")
        #expect(without("a, $libdir/pg_cron ,\"b\"") == "a,b")
    }

    @Test func `a log tells how recovery went`() {
        var log = ServerLog()
        for line in [
            "2026-01-01 UTC [7] LOG:  restored log file \"000000020000000000000003\" from archive",
            "2026-01-01 UTC [9] FATAL:  the database system is starting up",
            "LOG:  redo done at 0/3000148 system usage: CPU: user: 0.00 s",
            "LOG:  last completed transaction was at log time 2026-01-01 10:00:00.5+00",
            "LOG:  selected new timeline ID: 3",
        ] { log.read(line) }
        #expect(log.fetched == "000000020000000000000003")
        #expect(log.redoneUpTo == LSN(0x300_0148))
        #expect(log.lastTransaction == "2026-01-01 10:00:00.5+00")
        #expect(log.newTimeline == 3)
        #expect(log.failure == nil && !log.acceptsWrites && !log.isPaused)
        log.read("LOG:  database system is ready to accept connections")
        #expect(log.acceptsWrites)
    }

    @Test func `readers on a standby are no writers, and failures are kept`() {
        var log = ServerLog()
        log.read("LOG:  database system is ready to accept read-only connections")
        log.read("LOG:  recovery has paused")
        #expect(!log.acceptsWrites && log.isPaused)
        log.read("FATAL:  recovery ended before configured recovery target was reached")
        log.read("FATAL:  could not do something else")
        #expect(log.failure == "recovery ended before configured recovery target was reached")
    }

    @Test func `the version of a program is read from what it says`() {
        #expect(PostgresPrograms.major(inVersionLine: "postgres (PostgreSQL) 16.14 (Debian)") == 16)
        #expect(PostgresPrograms.major(inVersionLine: "postgres (PostgreSQL) 18devel") == 18)
        #expect(PostgresPrograms.major(inVersionLine: "") == nil)
    }

    @Test func `progress counts within a phase and never passes its total`() {
        let meter = ProgressMeter()
        meter.begin("copy", totalBytes: 100, note: "a")
        meter.add(60)
        meter.add(60)
        meter.note("b")
        #expect(meter.progress.phase == "copy" && meter.progress.note == "b")
        #expect(meter.progress.doneBytes == 120 && meter.progress.totalBytes == 120)
        meter.expect(totalBytes: 200)
        #expect(meter.progress.totalBytes == 200)
        meter.begin("sync")
        #expect(meter.progress.doneBytes == 0 && meter.progress.totalBytes == nil)
    }
}
