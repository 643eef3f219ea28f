import Domain
import Logging
import Platform
import Storage
import Vaulting

/// Restores an instance for proof, judges the copy and takes it away again.
///
/// Order of events: choose the moment; make a directory, and start the guard that cleans up should
/// this process be killed; restore; `pg_verifybackup`; start, and wait for the end of recovery;
/// checks; the receipt; the time the copy stays; everything away. What fails ends it there, and is
/// in the receipt.
struct DrillJob {
    private let job: JobHandle
    private let context: JobContext
    private let instance: InstanceRecord
    private let options: DrillOptions

    /// A drill of `instance`, in a job that runs.
    init(_ job: JobHandle, _ instance: InstanceRecord, _ options: DrillOptions) {
        self.job = job
        context = job.context
        self.instance = instance
        self.options = options
    }

    /// Drills. On return the receipt is durable and nothing is left of the copy; so it is when this
    /// throws.
    ///
    /// - Throws: `.drillUnsound` and `.integrity` for a copy that is not what it should be,
    ///   `.outsideWindow`, `.missingProgram`, `.targetDirectory`, `.targetFull`, `.cancelled`.
    func run() throws -> Drill {
        DrillScratch.sweep(options.place)
        var drill = Drill(
            id: job.id,
            instance: instance.name,
            systemIdentifier: instance.systemIdentifier,
            trigger: options.trigger,
            host: ProcessIdentity.current().host,
            target: Drill.Target(options.spec, isRandom: options.isRandom),
            startedAt: context.clock.now
        )
        do {
            try perform(&drill)
            return drill
        } catch {
            // A wish to stop while the judged copy is kept takes nothing back.
            if drill.outcome == .sound {
                if (error as? PgkeepError)?.code == .cancelled { return drill }
                throw error
            }
            drill.fail(error, at: context.clock.now)
            keep(drill)
            throw error
        }
    }

    private func keep(_ drill: Drill) {
        do {
            try Drills.keep(context, drill)
        } catch {
            job.warn("the receipt cannot be kept: \(error)")
        }
    }

    private func perform(_ drill: inout Drill) throws {
        var options = self.options
        context.meter.begin("plan")
        if options.isRandom {
            options.spec = try RandomMoment(context, instance).choose()
            drill.target = Drill.Target(options.spec, isRandom: true)
        }
        let scratch = try DrillScratch(in: options.place, job.id, owner: options.owner)
        let watcher = DrillGuard.start(options.program, scratch)
        defer {
            context.meter.begin("teardown")
            do {
                try scratch.remove()
                // It ends as soon as it sees that the directory is gone.
                try watcher.join()
            } catch {
                job.warn("not all of the drill is cleaned up: \(error)")
            }
        }
        try prove(&drill, options, scratch)
    }

    private func prove(
        _ drill: inout Drill,
        _ options: DrillOptions,
        _ scratch: DrillScratch
    ) throws {
        let restore = restoreOptions(options, scratch)
        let start = try CopyStart(options.programs, context, instance, restore)
        let verifier = start.programs + "/pg_verifybackup"
        guard try FileSystem.info(verifier, followLinks: true) != nil else {
            throw PgkeepError(
                .missingProgram,
                "there is no pg_verifybackup in \(start.programs)",
                hint: "install it, or name the directory that has it with --pg-bin"
            )
        }
        // The restore's own lease ends with its last file; replay still fetches WAL after it.
        let lease = try Lease.begin(
            context.vault,
            instance.systemIdentifier,
            kind: .restore,
            parent: start.plan.point?.id,
            walFloor: start.plan.point?.startLSN,
            clock: context.clock
        )
        defer { try? lease.end() }
        if let point = start.plan.point {
            drill.point = point.id
            job.setPoint(point.id)
        }
        let result = try measured("restore", &drill) {
            try RestoreJob(context: context, instance: instance, options: restore).run()
        }
        drill.level = .restored
        drill.bytes = result.bytes
        drill.walBytes = result.plan.walBytes
        drill.effectiveTime = result.plan.effectiveTime
        drill.effectiveLSN = result.plan.effectiveLSN
        for warning in result.warnings { warn(warning, &drill) }
        try measured("verify", &drill) { try verify(verifier, start, scratch) }
        drill.level = .verified
        let running = try measured("start", &drill) { try start.follow(result, context) }
        drill.level = .started
        drill.effectiveTime = running.outcome.lastTransaction ?? drill.effectiveTime
        drill.effectiveLSN = max(
            drill.effectiveLSN ?? .zero,
            running.outcome.replayedUpTo ?? .zero
        )
        drill.timeline = running.outcome.timeline
        drill.rtoSeconds = drill.phases.filter { $0.name != "verify" }.reduce(0) {
            $0 + $1.seconds
        }
        try check(&drill, options, start, scratch)
        drill.outcome = .sound
        drill.endedAt = context.clock.now
        keep(drill)
        stay(options, scratch)
    }

    private func restoreOptions(
        _ options: DrillOptions,
        _ scratch: DrillScratch
    ) -> RestoreOptions {
        var restore = RestoreOptions(
            directory: scratch.data,
            spec: options.spec,
            program: options.program,
            vaultLocation: context.vault.store.location
        )
        restore.owner = options.owner
        restore.workers = options.workers
        restore.port = DrillChecks.port
        // Reached by its owner on this socket, by nobody else, and by no network.
        restore.overrides =
            options.overrides + [
                RecoverySettings.Setting("listen_addresses", ""),
                RecoverySettings.Setting("unix_socket_directories", scratch.directory),
                RecoverySettings.Setting("unix_socket_permissions", "0700"),
                RecoverySettings.Setting("hba_file", scratch.hostAccess),
            ]
        return restore
    }

    private func verify(
        _ program: String,
        _ start: CopyStart,
        _ scratch: DrillScratch
    ) throws {
        context.meter.begin("verify")
        let runner = AccountProgram(account: start.account)
        let (data, log) = (scratch.data, scratch.directory + "/verify.log")
        let outcome = try waiting(cancelledBy: context.token) {
            try await runner.run(program, [data], in: data, log: log)
        }
        try context.token.check()
        guard outcome.isSuccess else {
            throw PgkeepError(
                .drillUnsound,
                "pg_verifybackup finds fault with the copy: \(outcome.text)",
                hint: "run pgkeep vault check --level decode, and take a backup"
            )
        }
    }

    private func check(
        _ drill: inout Drill,
        _ options: DrillOptions,
        _ start: CopyStart,
        _ scratch: DrillScratch
    ) throws {
        guard options.looksAtPages || !options.checks.isEmpty else { return }
        context.meter.begin("check")
        let results = try measured("check", &drill) {
            try DrillChecks(
                context,
                scratch,
                programs: start.programs,
                account: start.account,
                instance: instance
            ).run(options.checks, looksAtPages: options.looksAtPages)
        }
        drill.checks = results
        if options.looksAtPages, !results.contains(where: { $0.name == "pg_amcheck" }) {
            warn("pg_amcheck or its extension is not installed here: pages not looked at", &drill)
        }
        let failed = results.filter { !$0.isPassed }
        if let first = failed.first {
            let others = failed.count > 1 ? ", and \(failed.count - 1) more" : ""
            throw PgkeepError(
                .drillUnsound,
                "\(first.name) failed: \(first.message ?? "")\(others)",
                hint: "see pgkeep drill show \(drill.id); look at a copy with restore start --run"
            )
        }
        if !results.isEmpty { drill.level = .checked }
    }

    /// Leaves the copy to people for a while.
    private func stay(_ options: DrillOptions, _ scratch: DrillScratch) {
        guard options.keepSeconds > 0 else { return }
        context.meter.begin("keep")
        let until = context.clock.now.adding(seconds: Int64(options.keepSeconds))
        context.log.notice(
            "the copy stays for a while; Ctrl-C ends it",
            metadata: [
                "until": "\(until)",
                "connect": "psql -h \(scratch.directory) -p \(DrillChecks.port)",
            ]
        )
        _ = context.token.sleep(seconds: options.keepSeconds)
    }

    private func warn(_ text: String, _ drill: inout Drill) {
        drill.warnings.append(text)
        job.warn(text)
    }

    private func measured<Result>(
        _ name: String,
        _ drill: inout Drill,
        _ body: () throws -> Result
    ) throws -> Result {
        let begun = context.clock.monotonicSeconds
        defer {
            let seconds = context.clock.monotonicSeconds - begun
            drill.phases.append(
                Drill.Phase(name: name, seconds: (seconds * 1000).rounded() / 1000)
            )
        }
        return try body()
    }
}

extension Drill {
    /// Takes in what a drill was ended by.
    fileprivate mutating func fail(_ error: any Error, at now: Timestamp) {
        let code = (error as? PgkeepError)?.code ?? .unexpected
        switch code {
        case .cancelled: outcome = .cancelled
        case .integrity, .recoveryFailed, .drillUnsound, .vaultVersion: outcome = .unsound
        // Latest and random moments are of the window itself: none is there to be restored.
        case .outsideWindow where target.kind == "latest" || target.isRandom: outcome = .unsound
        default: outcome = .failed
        }
        errorCode = code.name
        message = Redaction.withoutPasswords(
            "\(error)".split(whereSeparator: \.isNewline).joined(separator: " ")
        )
        endedAt = now
    }
}
