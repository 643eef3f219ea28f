/// Decodes a value from its text form; `what` names it in the error.
func decodeText<Value: LosslessStringConvertible>(
    _ decoder: any Decoder,
    _ what: String
) throws -> Value {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let value = Value(text) else {
        throw DecodingError.dataCorruptedError(
            in: container,
            debugDescription: "not \(what): \(text)"
        )
    }
    return value
}

/// Encodes a value as its text form.
func encodeText(_ value: some LosslessStringConvertible, _ encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(value.description)
}

/// Lower-case hexadecimal digits of `bytes`, two each.
public func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    var text = ""
    for byte in bytes {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
    }
    return text
}

/// The bytes named by pairs of hexadecimal digits; nil when the text is anything else.
public func bytes(ofHexadecimal text: some StringProtocol) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count % 2 == 0 else { return nil }
    var result: [UInt8] = []
    result.reserveCapacity(digits.count / 2)
    for index in stride(from: 0, to: digits.count, by: 2) {
        guard let high = nibble(digits[index]), let low = nibble(digits[index + 1]) else {
            return nil
        }
        result.append(high << 4 | low)
    }
    return result
}

private let digits = Array("0123456789abcdef")

private func nibble(_ digit: UInt8) -> UInt8? {
    switch digit {
    case 48...57: digit - 48
    case 65...70: digit - 55
    case 97...102: digit - 87
    default: nil
    }
}
