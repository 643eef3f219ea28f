import FoundationEssentials

/// Answers as JSON, the same for every interface: keys sorted, times and LSNs as texts.
public enum JSONText {
    /// A document: indented, ending in a newline.
    public static func document(_ value: some Encodable) -> String {
        encode(value, [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]) + "\n"
    }

    /// The value in one line, for logs.
    public static func line(_ value: some Encodable) -> String {
        encode(value, [.sortedKeys, .withoutEscapingSlashes])
    }

    private static func encode(
        _ value: some Encodable,
        _ formatting: JSONEncoder.OutputFormatting
    ) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = formatting
        do {
            return String(decoding: try encoder.encode(value), as: UTF8.self)
        } catch {
            // Answers are made of texts and finite numbers; anything else is a mistake of ours.
            preconditionFailure("an answer does not encode: \(error)")
        }
    }
}
