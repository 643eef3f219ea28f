/// A path as the system has it: bytes, of which not every sequence is text.
///
/// For names that others have chosen; what the program names itself is a `String`.
public struct RawPath: Hashable, Sendable {
    /// The bytes and a zero behind them.
    private let bytes: [CChar]

    /// A path of our own.
    public init(_ text: String) { bytes = Array(text.utf8CString) }

    private init(bytes: [CChar]) { self.bytes = bytes }

    /// The path of `name`, which may have several components, below this one.
    public func appending(_ name: some Collection<UInt8>) -> RawPath {
        precondition(!name.contains(0), "the system takes a path to end there")
        let slash = CChar(bitPattern: UInt8(ascii: "/"))
        return RawPath(
            bytes: bytes.dropLast() + [slash] + name.map { CChar(bitPattern: $0) } + [0]
        )
    }

    /// The path for messages: what is no UTF-8 is shown as U+FFFD.
    public var text: String {
        String(decoding: bytes.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Calls `body` with the path as C has it.
    func withCString<Result, Failure: Error>(
        _ body: (UnsafePointer<CChar>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // Typed throws do not pass through the array's own closure.
        let answer: Swift.Result<Result, Failure> = bytes.withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress else { preconditionFailure("never empty") }
            do throws(Failure) {
                return .success(try body(base))
            } catch {
                return .failure(error)
            }
        }
        return try answer.get()
    }
}
