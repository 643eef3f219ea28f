import Domain

/// Options that take one word of a list.
enum Choice {
    /// The value the word stands for; throws `.usage`, naming the list.
    static func parse<Value: RawRepresentable & CaseIterable>(
        _ text: String,
        _ option: String
    ) throws(PgkeepError) -> Value where Value.RawValue == String {
        guard let value = Value(rawValue: text) else {
            throw PgkeepError(
                .usage,
                "\(option) \(text) is not to be had",
                hint: "give one of \(list(Value.self))"
            )
        }
        return value
    }

    /// All words, for help texts.
    static func list<Value: RawRepresentable & CaseIterable>(_ type: Value.Type) -> String
    where Value.RawValue == String {
        Value.allCases.map(\.rawValue).joined(separator: ", ")
    }
}
