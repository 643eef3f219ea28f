import ArgumentParser
import Domain
import Engine
import Platform
import Vaulting

/// `job watch`
struct JobWatch: Verb {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Follow a job to its end, from any host.",
        discussion: """
            Shows how much of the whole is done, the phase, the speed and the time left. Ends when \
            the job ends, with exit code 1 unless it is done. With --json the document is the job \
            at its end, with the samples seen on the way.

              pgkeep job watch 0197a3c2
              pgkeep job watch 0197a3c2 --timeout 2h --json
            """
    )

    @OptionGroup var job: JobArgument

    @Option(
        help: ArgumentHelp(
            "Give up, with exit code 8, when the job has not ended by then.",
            valueName: "duration"
        )
    )
    var timeout: String?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    struct Answer: Encodable {
        struct Sample: Encodable {
            var at: Timestamp
            var phase: String?
            var percent: Double
            var etaSeconds: Double?
            var rate: Double?

            private enum CodingKeys: String, CodingKey {
                case at, phase, percent, rate
                case etaSeconds = "eta_seconds"
            }

            func encode(to encoder: any Encoder) throws {
                var container = encoder.container(keyedBy: CodingKeys.self)
                try container.encode(at, forKey: .at)
                try container.encode(phase, forKey: .phase)
                try container.encode(percent, forKey: .percent)
                try container.encode(etaSeconds, forKey: .etaSeconds)
                try container.encode(rate, forKey: .rate)
            }
        }

        var job: JobRecord
        var samples: [Sample]

        private enum CodingKeys: CodingKey { case samples }

        func encode(to encoder: any Encoder) throws {
            try job.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(samples, forKey: .samples)
        }
    }

    /// Samples a document holds; of longer jobs every other one is dropped again and again.
    private static let samplesMax = 1000
    private static let pollSeconds = 0.5

    func answer(_ session: Session) throws -> Answer {
        let limit = try timeout.map(seconds)
        let context = try session.context()
        var record = try Jobs.find(context, job.text)
        let begun = session.clock.monotonicSeconds
        var samples: [Answer.Sample] = []
        var shown = ""
        while true {
            let isNew = samples.last.map { $0.at != (record.beatAt ?? record.id.time) } ?? true
            if isNew || record.state.isEnd { samples.append(Self.sample(record)) }
            if samples.count > Self.samplesMax {
                samples = samples.enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
            }
            show(record, &shown, session)
            guard !record.state.isEnd else { return Answer(job: record, samples: samples) }
            if let limit, session.clock.monotonicSeconds - begun >= limit {
                throw PgkeepError(
                    .busy,
                    "job \(record.id) has not ended yet: \(JobText.line(record))",
                    hint: "watch it again, or give a longer --timeout"
                )
            }
            if session.token.sleep(seconds: Self.pollSeconds) { throw session.token.error }
            guard let next = try Jobs.read(context, record.id) else {
                throw PgkeepError(
                    .notFound,
                    "job \(record.id) left no record",
                    hint: "it ended well and had nothing to do"
                )
            }
            record = next
        }
    }

    private func seconds(_ text: String) throws -> Double {
        guard case .duration(let seconds) = Amount(text) else {
            throw PgkeepError(
                .usage,
                "--timeout \(text) is no duration",
                hint: "write it like 90s, 30min or 2h"
            )
        }
        return seconds
    }

    private static func sample(_ record: JobRecord) -> Answer.Sample {
        Answer.Sample(
            at: record.beatAt ?? record.id.time,
            phase: record.phases.last?.name,
            percent: record.percent,
            etaSeconds: record.etaSeconds,
            rate: record.rate
        )
    }

    private func show(_ record: JobRecord, _ shown: inout String, _ session: Session) {
        let line = record.state == .queued ? "queued" : JobText.line(record)
        guard !global.quiet, line != shown else { return }
        shown = line
        if session.screen.isTerminal {
            session.screen.showStatus(record.state.isEnd ? "" : line)
        } else if !record.state.isEnd {
            session.screen.line(line)
        }
    }

    func lines(_ answer: Answer) -> [String] { [JobText.line(answer.job)] }

    func failure(_ answer: Answer) -> PgkeepError? {
        guard !answer.job.state.isSuccess, answer.job.state != .skipped else { return nil }
        return PgkeepError(
            .unexpected,
            "job \(answer.job.id) is not done: \(answer.job.message ?? answer.job.state.rawValue)",
            hint: "see pgkeep job show \(answer.job.id)"
        )
    }
}
