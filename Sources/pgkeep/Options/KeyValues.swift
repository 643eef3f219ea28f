import Domain

/// Repeated options of the form `KEY=VALUE`, in their order.
struct KeyValues {
    let pairs: [(key: String, value: String)]

    /// Splits each text at its first `=`; `option` names it in the error.
    init(_ texts: [String], option: String) throws(PgkeepError) {
        var pairs: [(key: String, value: String)] = []
        for text in texts {
            guard let sign = text.firstIndex(of: "="), sign != text.startIndex else {
                throw PgkeepError(
                    .usage,
                    "\(option) \(text) has no key or no value",
                    hint: "write it as \(option) KEY=VALUE"
                )
            }
            let key = String(text[..<sign])
            guard !pairs.contains(where: { $0.key == key }) else {
                throw PgkeepError(.usage, "\(option) \(key) is given twice", hint: "leave one out")
            }
            pairs.append((key, String(text[text.index(after: sign)...])))
        }
        self.pairs = pairs
    }
}
