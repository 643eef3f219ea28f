import Domain

// Parses one 512-byte ustar header of the dialect PostgreSQL writes (src/port/tar.c, 13–18):
// no prefix, no PAX, no GNU long names; octal with trailing space, or base-256 when it is large.
struct TarHeader {
    static let size = 512

    let block: UnsafeRawBufferPointer

    init(_ block: UnsafeRawBufferPointer) {
        precondition(block.count == Self.size)
        self.block = block
    }

    func entry() throws(PgkeepError) -> TarEntry {
        guard block.part(257, 263).elementsEqual([0x75, 0x73, 0x74, 0x61, 0x72, 0]) else {
            throw Self.broken("no ustar header where one must be")
        }
        try verifyChecksum()
        guard block[345] == 0 else { throw Self.broken("the prefix field is in use") }
        let kind: TarEntry.Kind
        switch block[156] {
        case 0x30: kind = .file
        case 0x35: kind = .directory
        case 0x32: kind = .symbolicLink
        case let type: throw Self.broken("unknown member type \(type)")
        }
        let path = try Self.normalized(text(0, 100), kind)
        let size = try number(124, 12, "size")
        let link = kind == .symbolicLink ? text(157, 100) : []
        guard kind == .file || size == 0 else {
            throw Self.broken("a directory or link has a size")
        }
        guard kind != .symbolicLink || !link.isEmpty else {
            throw Self.broken("a link without a target")
        }
        return TarEntry(
            pathBytes: path,
            kind: kind,
            size: size,
            mode: UInt32(truncatingIfNeeded: try number(100, 8, "mode") & 0o7777),
            modified: Int64(try number(136, 12, "mtime")),
            linkTarget: link
        )
    }

    private func verifyChecksum() throws(PgkeepError) {
        let stored = try number(148, 8, "checksum")
        var sum: UInt64 = 8 * 0x20
        for offset in 0..<Self.size where !(148..<156).contains(offset) {
            sum += UInt64(block[offset])
        }
        guard sum == stored else { throw Self.broken("wrong header checksum") }
    }

    private func text(_ offset: Int, _ length: Int) -> [UInt8] {
        Array(block.part(offset, offset + length).prefix { $0 != 0 })
    }

    // Octal digits, optionally led by spaces, ended by a space, a NUL or the field's end; or 0x80
    // and a big-endian number. Values stay below 2^63, so they also fit signed fields.
    private func number(_ offset: Int, _ length: Int, _ what: String) throws(PgkeepError) -> UInt64
    {
        let field = block.part(offset, offset + length)
        var value: UInt64 = 0
        if field[0] & 0x80 != 0 {
            guard field[0] == 0x80 else { throw Self.broken("\(what) is negative or too large") }
            for byte in field.dropFirst() {
                guard value >> 55 == 0 else { throw Self.broken("\(what) is too large") }
                value = value << 8 | UInt64(byte)
            }
            return value
        }
        let digits = field.drop { $0 == 0x20 }.prefix { (0x30...0x37).contains($0) }
        let rest = field[digits.endIndex...]
        guard !digits.isEmpty, rest.allSatisfy({ $0 == 0x20 || $0 == 0 }) else {
            throw Self.broken("\(what) is no octal number")
        }
        for digit in digits { value = value << 3 | UInt64(digit - 0x30) }
        return value
    }

    private static func normalized(
        _ name: [UInt8],
        _ kind: TarEntry.Kind
    ) throws(PgkeepError) -> [UInt8] {
        var path = name[...]
        if path.starts(with: [0x2e, 0x2f]) { path = path.dropFirst(2) }
        if kind != .file, path.last == 0x2f { path = path.dropLast() }
        let components = path.split(separator: 0x2f, omittingEmptySubsequences: false)
        let isHostile = components.contains { $0.isEmpty || $0 == [0x2e] || $0 == [0x2e, 0x2e] }
        guard !path.isEmpty, !isHostile else {
            throw broken("the name \"\(String(decoding: name, as: UTF8.self))\" is not allowed")
        }
        return Array(path)
    }

    static func broken(_ what: String) -> PgkeepError {
        PgkeepError(
            .sourceBroken,
            "the tar archive is broken: \(what)",
            hint: "take the backup again; if it repeats, check what is between here and the server"
        )
    }
}
