import Domain
import Engine
import Platform
import Vaulting

/// Tells of the start and the end of a job: an entry each in the activity log, and the operator's
/// hook, if one is named.
///
/// Neither ever keeps the work from being done; what cannot be told is a warning.
struct Notices {
    /// The document a hook gets on its standard input.
    private struct Event: Encodable {
        var event: String
        var at: Timestamp
        var instance: InstanceName?
        var job: JobID
        var actor: String
        var details: [String: String]
        /// The code of the failure; null when there is none.
        var errorCode: String?
        var message: String?

        /// The event without what may be long.
        var short: Event {
            var event = self
            event.details = [:]
            event.message = message.map { String($0.unicodeScalars.prefix(400)) }
            return event
        }

        private enum CodingKeys: String, CodingKey {
            case event, at, instance, job, actor, details, message
            case errorCode = "error_code"
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(event, forKey: .event)
            try container.encode(at, forKey: .at)
            try container.encode(instance, forKey: .instance)
            try container.encode(job, forKey: .job)
            try container.encode(actor, forKey: .actor)
            try container.encode(details, forKey: .details)
            try container.encode(errorCode, forKey: .errorCode)
            try container.encode(message, forKey: .message)
        }
    }

    private let session: Session
    private let job: JobHandle
    private let subject: String
    private let instance: InstanceName?
    private let details: [String: String]
    private let hook: EventHook?

    /// Notices of `subject.started`, and of `subject.completed` or `subject.failed`.
    init(
        _ session: Session,
        _ job: JobHandle,
        subject: String,
        instance: InstanceName?,
        details: [String: String]
    ) throws {
        self.session = session
        self.job = job
        self.subject = subject
        self.instance = instance
        self.details = details
        hook = try session.settings.hook().map(EventHook.init)
    }

    /// Runs `body` between two notices.
    func around<Result>(_ body: () throws -> Result) throws -> Result {
        tell("started", nil)
        do {
            let result = try body()
            tell("completed", nil)
            return result
        } catch {
            tell(session.token.isCancelled ? "cancelled" : "failed", error)
            throw error
        }
    }

    private func tell(_ what: String, _ error: (any Error)?) {
        let report = error.flatMap(ErrorReport.init)
        let event = Event(
            event: "\(subject).\(what)",
            at: session.clock.now,
            instance: instance,
            job: job.id,
            actor: ActivityLog.actor,
            details: details,
            errorCode: report?.code,
            message: report?.message
        )
        var all = details
        all["job"] = job.id.description
        all["error_code"] = report?.code
        attempt("the activity log is not written") {
            try ActivityLog(job.context.vault, session.clock).append(
                action: event.event,
                instance: instance,
                details: all
            )
        }
        guard let hook else { return }
        let full = JSONText.line(event) + "\n"
        // Only a message or a path can be that long, and all of it is in the job's record.
        let isLong = full.utf8.count > EventHook.bytesMax
        let document = isLong ? JSONText.line(event.short) + "\n" : full
        attempt("nobody was told") { try waiting { try await hook.tell(document) } }
    }

    private func attempt(_ what: String, _ body: () throws -> Void) {
        do {
            try body()
        } catch {
            job.warn("\(what): \(error)")
            session.say("warning: \(what): \(error)")
        }
    }
}
