/// Figures as the text that monitoring systems scrape (Prometheus text exposition, version 0.0.4):
/// one line each, `name{label="value"} number`, with `# HELP` and `# TYPE` before each family.
public struct MetricsText: Sendable {
    /// What a family's figures are.
    public enum Kind: String, Sendable {
        /// A figure that goes up and down.
        case gauge
        /// A count that only grows, from zero when the process starts; its name ends in `_total`.
        case counter
    }

    /// One figure with its labels.
    public struct Sample: Sendable {
        /// Names and values that tell it from the others of its family.
        public var labels: [(String, String)]
        /// The figure as written.
        public var value: String

        /// A figure.
        public init(_ labels: [(String, String)] = [], _ value: some Numeric & Sendable) {
            self.labels = labels
            self.value = "\(value)"
        }

        /// 1 for true, 0 for false.
        public init(_ labels: [(String, String)] = [], _ value: Bool) {
            self.init(labels, value ? 1 : 0)
        }
    }

    /// The media type of the text.
    public static let mediaType = "text/plain; version=0.0.4; charset=utf-8"

    private var lines: [String] = []

    /// An empty text.
    public init() {}

    /// The text.
    public var text: String { lines.reduce(into: "") { $0 += $1 + "\n" } }

    /// Adds the figures of one name; nothing when there are none.
    public mutating func add(
        _ name: String,
        kind: Kind = .gauge,
        _ help: String,
        _ samples: [Sample]
    ) {
        guard !samples.isEmpty else { return }
        lines += ["# HELP \(name) \(help)", "# TYPE \(name) \(kind.rawValue)"]
        lines += samples.map { sample in
            let labels = sample.labels.map { "\($0)=\"\(Self.escaped($1))\"" }
            return name + (labels.isEmpty ? "" : "{\(labels.joined(separator: ","))}")
                + " \(sample.value)"
        }
    }

    /// Adds the one figure of a name; nothing when it is not known.
    public mutating func add(
        _ name: String,
        kind: Kind = .gauge,
        _ help: String,
        _ value: (some Numeric & Sendable)?
    ) {
        add(name, kind: kind, help, value.map { [Sample([], $0)] } ?? [])
    }

    /// A label's value: backslash, quote and line end escaped, as the format wants.
    private static func escaped(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n", "\r\n": result += "\\n"
            default: result.append(character)
            }
        }
    }
}
