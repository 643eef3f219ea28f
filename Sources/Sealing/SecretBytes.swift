import Platform

/// Secret bytes of fixed length: wiped when the last reference goes, never printed.
///
/// Text conversions, reflection and `dump` show `<secret>`. The bytes are reachable only inside
/// `withBytes`; whoever copies them out owns the copy and its wiping. Equality takes the same time
/// wherever two secrets of one length differ.
public final class SecretBytes: @unchecked Sendable {
    // Written only before init returns and in deinit, so sharing it between threads is safe.
    private let memory: UnsafeMutableRawBufferPointer

    /// Copies `bytes`; the caller's copy stays the caller's to wipe.
    public convenience init(copying bytes: UnsafeRawBufferPointer) {
        self.init(count: bytes.count) { $0.copyMemory(from: bytes) }
    }

    /// Copies an array; the caller's array stays the caller's to wipe.
    public convenience init(_ bytes: [UInt8]) {
        self.init(count: bytes.count) { memory in
            bytes.withUnsafeBytes { memory.copyMemory(from: $0) }
        }
    }

    /// `count` bytes that `fill` writes in place; they begin as zeros.
    public init<Failure: Error>(
        count: Int,
        fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        precondition(count >= 0)
        memory = .allocate(byteCount: max(count, 1), alignment: 16)
        memory.initializeMemory(as: UInt8.self, repeating: 0)
        self.count = count
        try fill(UnsafeMutableRawBufferPointer(rebasing: memory[..<count]))
    }

    deinit {
        wipe(memory)
        memory.deallocate()
    }

    /// `count` fresh random bytes.
    public static func random(count: Int) -> SecretBytes {
        SecretBytes(count: count) { SecureRandom.fill($0) }
    }

    /// The length in bytes.
    public let count: Int

    /// Lends the bytes for the duration of `body`.
    public func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(rebasing: memory[..<count]))
    }
}

extension SecretBytes: Equatable {
    /// Compares without telling by its duration where the two differ.
    public static func == (left: SecretBytes, right: SecretBytes) -> Bool {
        guard left.count == right.count else { return false }
        return left.withBytes { first in
            right.withBytes { second in
                var difference: UInt8 = 0
                for index in 0..<first.count { difference |= first[index] ^ second[index] }
                return difference == 0
            }
        }
    }
}

extension SecretBytes: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// `<secret>`.
    public var description: String { "<secret>" }

    /// `<secret>`.
    public var debugDescription: String { "<secret>" }

    /// A mirror without children, so that `dump` shows nothing.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
