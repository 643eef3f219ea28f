public import Domain
internal import Platform

/// A key file: one line of text, `pgkeep-key-1 <64 hex digits> <8 hex digits>`, mode 0600.
///
/// The last field is the beginning of the SHA-256 of the line up to and including the key, so a
/// mistyped or cut-off copy is told from a wrong key.
public enum KeyFile {
    private static let tag = Array("pgkeep-key-1 ".utf8)
    private static let lineBytes = 13 + 64 + 1 + 8

    /// Makes a random key and writes it to a new file at `path`, durable on return.
    ///
    /// Throws `.exists` when there is a file already: a key is never overwritten.
    public static func create(_ path: String) throws(PgkeepError) -> SecretBytes {
        let key = SecretBytes.random(count: 32)
        try write(key, to: path)
        return key
    }

    /// Writes a key of 32 bytes to a new file at `path` with mode 0600, durable on return.
    ///
    /// Throws `.exists` when there is a file already: a key is never overwritten.
    public static func write(_ key: SecretBytes, to path: String) throws(PgkeepError) {
        guard try FileSystem.info(path) == nil else {
            throw PgkeepError(
                .exists,
                "key file \(path) exists already",
                hint: "choose another path; overwriting a key would lose what it opens"
            )
        }
        let file = try File(path, .create(0o600))
        let line = SecretBytes(count: lineBytes + 1) { memory in
            let text = encode(key)
            text.withBytes { memory.copyMemory(from: $0) }
            memory[lineBytes] = UInt8(ascii: "\n")
        }
        try line.withBytes { bytes throws(PgkeepError) in try file.write(bytes, at: 0) }
        try file.sync()
        try FileSystem.syncDirectory(FileSystem.parent(of: path) ?? ".")
    }

    /// Reads a key file.
    ///
    /// Throws `.notFound` when it is missing, `.refused` when anybody but its owner and group can
    /// read or its group can write it, `.usage` when it holds something else or a damaged copy.
    public static func read(_ path: String) throws(PgkeepError) -> SecretBytes {
        guard let information = try FileSystem.info(path, followLinks: true) else {
            throw PgkeepError(
                .notFound,
                "key file \(path) is not there",
                hint: "pass the vault's key file with --key-file or PGKEEP_KEY_FILE"
            )
        }
        guard information.kind != .file || information.mode & 0o027 == 0 else {
            throw PgkeepError(
                .refused,
                "key file \(path) can be read or changed by others",
                hint: "chmod 600 \(path)"
            )
        }
        let file = try File(path, .read)
        var length = 0
        let content = try SecretBytes(count: lineBytes + 2) { memory throws(PgkeepError) in
            length = try file.read(into: memory, at: 0)
        }
        let key = content.withBytes { bytes -> SecretBytes? in
            var end = min(length, bytes.count)
            while end > 0, bytes[end - 1] == 0x0a || bytes[end - 1] == 0x0d { end -= 1 }
            return decode(UnsafeRawBufferPointer(rebasing: bytes[..<end]))
        }
        guard let key else {
            throw PgkeepError(
                .usage,
                "\(path) is not an intact key file",
                hint: "pass the file that pgkeep vault init or vault key add wrote"
            )
        }
        return key
    }

    private static func encode(_ key: SecretBytes) -> SecretBytes {
        precondition(key.count == 32)
        return SecretBytes(count: lineBytes) { memory in
            memory.copyBytes(from: tag)
            key.withBytes { putHex($0, into: memory, at: tag.count) }
            let digest = SHA256.digest(
                UnsafeRawBufferPointer(rebasing: memory[..<(tag.count + 64)])
            )
            memory[tag.count + 64] = UInt8(ascii: " ")
            digest[..<4].withUnsafeBytes { putHex($0, into: memory, at: tag.count + 65) }
        }
    }

    private static func decode(_ line: UnsafeRawBufferPointer) -> SecretBytes? {
        guard line.count == lineBytes else { return nil }
        var valid = true
        let key = SecretBytes(count: 32) { memory in
            for index in 0..<32 {
                let at = tag.count + 2 * index
                guard let high = digit(line[at]), let low = digit(line[at + 1]) else {
                    valid = false
                    return
                }
                memory[index] = high << 4 | low
            }
        }
        guard valid else { return nil }
        // Comparing the whole line also checks the tag, the separators and the check digits.
        return encode(key).withBytes { $0.elementsEqual(line) } ? key : nil
    }

    private static func putHex(
        _ bytes: UnsafeRawBufferPointer,
        into memory: UnsafeMutableRawBufferPointer,
        at offset: Int
    ) {
        let digits = Array("0123456789abcdef".utf8)
        for (index, byte) in bytes.enumerated() {
            memory[offset + 2 * index] = digits[Int(byte >> 4)]
            memory[offset + 2 * index + 1] = digits[Int(byte & 15)]
        }
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 48...57: byte - 48
        case 97...102: byte - 87
        default: nil
        }
    }
}
