import Domain
import FoundationEssentials

/// The JSON inside sealed control objects: keys sorted, slashes as they are, unknown keys ignored.
enum ControlJSON {
    static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return [UInt8](try encoder.encode(value))
    }

    /// Reads a document; what is wrong with it is `.integrity`, `subject` names it.
    static func decode<Value: Decodable>(
        _ type: Value.Type,
        _ bytes: [UInt8],
        _ subject: String
    ) throws(PgkeepError) -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch {
            throw PgkeepError(
                .integrity,
                "\(subject) cannot be understood",
                hint: "run pgkeep vault check; a newer pgkeep may have written it",
                cause: error
            )
        }
    }
}
