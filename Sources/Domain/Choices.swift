/// Choices of a list option, given in one word with commas or by repeating it.
public enum Choices {
    /// The choices in `texts`, or nil when there are none, which is any.
    ///
    /// Throws `.usage`, naming `option` and the choices, for a word that is none of them.
    public static func read<Choice: RawRepresentable & CaseIterable & Hashable>(
        _ texts: [String],
        _ option: String,
        as type: Choice.Type
    ) throws(PgkeepError) -> Set<Choice>? where Choice.RawValue == String {
        guard !texts.isEmpty else { return nil }
        var found: Set<Choice> = []
        for word in texts.flatMap({ $0.split(separator: ",") }) {
            guard let choice = Choice(rawValue: word.lowercased()) else {
                throw PgkeepError(
                    .usage,
                    "\(option) \(word) is none of the choices",
                    hint: "choose from \(Choice.allCases.map(\.rawValue).joined(separator: ", "))"
                )
            }
            found.insert(choice)
        }
        return found
    }
}
