public import Domain

/// Reads a `backup_manifest` pushed in slices of any length, with memory for one file at a time.
///
/// As strict as PostgreSQL: unknown or repeated keys are errors, and the checksum on the last line
/// must be right. Source of the format: src/common/parse_manifest.c, versions 1 (13–16) and 2
/// (17+).
public struct BackupManifestReader {
    private enum Expectation {
        case document, firstKey, key, colon, value, commaOrEnd, firstElement, element, nothing
    }
    private static let longestLine = 16 << 20

    private enum Place {
        case top, array, element
    }
    private enum List: String {
        case files = "Files"
        case ranges = "WAL-Ranges"
    }

    private let digest: BackupManifest.Digest
    private var lexer = JSONLexer()
    private var expectation = Expectation.document
    private var place = Place.top
    private var list = List.files
    private var key = ""
    private var topKeys: Set<String> = []
    private var elementKeys: Set<String> = []
    private var file = ManifestFile()
    private var range = BackupManifest.WALRange(timeline: 0, start: .zero, end: .zero)
    private var manifest = BackupManifest(
        version: 0,
        systemIdentifier: nil,
        walRanges: [],
        files: 0
    )
    private var checksum: [UInt8] = []
    // What follows the end of the penultimate line seen so far: it may be the checksum's line.
    private var lastLines: [UInt8] = []

    /// A reader at the beginning; `digest` must be a fresh SHA-256.
    public init(digest: BackupManifest.Digest) { self.digest = digest }

    /// Takes the next bytes and reports each file they complete.
    ///
    /// Throws `source.broken` for anything PostgreSQL would not accept.
    public mutating func feed(
        _ bytes: UnsafeRawBufferPointer,
        _ handle: (ManifestFile) throws -> Void
    ) throws {
        try hold(bytes)
        // The lexer leaves while it runs: it must not be changed through `self` meanwhile.
        var lexer = lexer
        try lexer.feed(bytes) { token, text in try take(token, text, handle) }
        self.lexer = lexer
    }

    /// Checks that the manifest is complete and its checksum right, and returns what it says.
    public mutating func finish() throws(PgkeepError) -> BackupManifest {
        guard case .nothing = expectation, lexer.isBetweenTokens else {
            throw BackupManifest.broken("it ends too early")
        }
        let needed = ["Files", "WAL-Ranges", "Manifest-Checksum"]
        guard needed.allSatisfy(topKeys.contains),
            manifest.version < 2 || manifest.systemIdentifier != nil
        else { throw BackupManifest.broken("a part of it is missing") }
        // `lastLines` is now the last line alone, which the checksum does not cover.
        guard lastLines.last == 0x0a else { throw BackupManifest.broken("it ends too early") }
        guard digest.finish() == checksum else {
            throw BackupManifest.broken("its checksum does not match")
        }
        return manifest
    }

    // MARK: The checksum's input: all lines but the last

    private mutating func hold(_ bytes: UnsafeRawBufferPointer) throws(PgkeepError) {
        lastLines.append(contentsOf: bytes)
        // Whatever ends before the last-but-one newline can never be part of the last line.
        guard let last = lastLines.lastIndex(of: 0x0a) else { return try limitHeld() }
        guard let settled = lastLines[..<last].lastIndex(of: 0x0a) else { return try limitHeld() }
        lastLines[...settled].withUnsafeBytes(digest.update)
        lastLines.removeSubrange(...settled)
        try limitHeld()
    }

    private func limitHeld() throws(PgkeepError) {
        guard lastLines.count <= Self.longestLine else {
            throw BackupManifest.broken("it is not written in lines")
        }
    }

    // MARK: Grammar

    private mutating func take(
        _ token: JSONLexer.Token,
        _ text: [UInt8],
        _ handle: (ManifestFile) throws -> Void
    ) throws {
        switch (expectation, token) {
        case (.document, .beginObject): expectation = .firstKey
        case (.firstKey, .string), (.key, .string): try takeKey(text)
        case (.colon, .colon): expectation = .value
        case (.value, .beginArray):
            guard place == .top, let opened = List(rawValue: key) else {
                throw BackupManifest.broken("a list where there must be none")
            }
            list = opened
            place = .array
            expectation = .firstElement
        case (.value, .string), (.value, .number):
            try takeValue(text, isNumber: token == .number)
            expectation = .commaOrEnd
        case (.firstElement, .beginObject), (.element, .beginObject):
            beginElement()
        case (.firstElement, .endArray): endArray()
        case (.commaOrEnd, .comma): expectation = place == .array ? .element : .key
        case (.commaOrEnd, .endArray) where place == .array: endArray()
        case (.commaOrEnd, .endObject) where place == .element:
            try endElement(handle)
            place = .array
        case (.commaOrEnd, .endObject) where place == .top: expectation = .nothing
        default: throw BackupManifest.broken("its structure is wrong")
        }
    }

    private mutating func beginElement() {
        place = .element
        expectation = .firstKey
        elementKeys.removeAll(keepingCapacity: true)
        file = ManifestFile()
        range = BackupManifest.WALRange(timeline: 0, start: .zero, end: .zero)
    }

    private mutating func endArray() {
        place = .top
        expectation = .commaOrEnd
    }

    private mutating func takeKey(_ text: [UInt8]) throws {
        key = String(decoding: text, as: UTF8.self)
        let isNew = place == .top ? topKeys.insert(key).inserted : elementKeys.insert(key).inserted
        guard isNew else { throw BackupManifest.broken("the key \"\(key)\" is repeated") }
        if place == .top {
            guard topKeys.count > 1 || key == "PostgreSQL-Backup-Manifest-Version" else {
                throw BackupManifest.broken("its version does not come first")
            }
            guard !topKeys.contains("Manifest-Checksum") || key == "Manifest-Checksum" else {
                throw BackupManifest.broken("something follows its checksum")
            }
        }
        expectation = .colon
    }

    private mutating func endElement(_ handle: (ManifestFile) throws -> Void) throws {
        switch list {
        case .files:
            guard !file.path.isEmpty, elementKeys.contains("Size"),
                elementKeys.contains("Checksum") == elementKeys.contains("Checksum-Algorithm")
            else { throw BackupManifest.broken("a file's path, size or checksum is missing") }
            manifest.files += 1
            try handle(file)
        case .ranges:
            guard elementKeys.count == 3 else {
                throw BackupManifest.broken("a part of a WAL range is missing")
            }
            manifest.walRanges.append(range)
        }
        expectation = .commaOrEnd
    }

    // MARK: Values

    private mutating func takeValue(_ text: [UInt8], isNumber: Bool) throws {
        guard isNumber == Self.numbers.contains(key) else {
            throw BackupManifest.broken("\"\(key)\" has a value of the wrong kind")
        }
        let taken =
            switch (place, list) {
            case (.top, _): takeTop(text)
            case (_, .files): takeFile(text)
            case (_, .ranges): takeRange(text)
            }
        guard taken else { throw BackupManifest.broken("\"\(key)\" is unknown or malformed") }
    }

    private static let numbers: Set<String> = [
        "PostgreSQL-Backup-Manifest-Version", "System-Identifier", "Size", "Timeline",
    ]

    private mutating func takeTop(_ text: [UInt8]) -> Bool {
        let value = String(decoding: text, as: UTF8.self)
        switch key {
        case "PostgreSQL-Backup-Manifest-Version":
            manifest.version = Int(value) ?? 0
            return (1...2).contains(manifest.version)
        case "System-Identifier":
            manifest.systemIdentifier = SystemIdentifier(value)
            return manifest.systemIdentifier != nil && manifest.version == 2
        case "Manifest-Checksum":
            checksum = Hex.bytes(text) ?? []
            return checksum.count == 32
        default: return false
        }
    }

    private mutating func takeFile(_ text: [UInt8]) -> Bool {
        switch key {
        case "Path", "Encoded-Path":
            guard file.path.isEmpty else { return false }
            file.path = key == "Path" ? text : Hex.bytes(text) ?? []
            return !file.path.isEmpty
        case "Size":
            guard let size = UInt64(String(decoding: text, as: UTF8.self)) else { return false }
            file.size = size
            return true
        case "Last-Modified":
            file.modified = Self.moment(text)
            return file.modified != nil
        case "Checksum-Algorithm":
            file.checksumAlgorithm = String(decoding: text, as: UTF8.self)
            return true
        case "Checksum":
            guard let bytes = Hex.bytes(text), !bytes.isEmpty else { return false }
            file.checksum = bytes
            return true
        default: return false
        }
    }

    private mutating func takeRange(_ text: [UInt8]) -> Bool {
        let value = String(decoding: text, as: UTF8.self)
        switch key {
        case "Timeline":
            range.timeline = TimelineID(value) ?? 0
            return range.timeline > 0
        case "Start-LSN", "End-LSN":
            guard let position = LSN(value) else { return false }
            if key == "Start-LSN" { range.start = position } else { range.end = position }
            return true
        default: return false
        }
    }

    // `2026-01-31 23:59:59 GMT`
    private static func moment(_ text: [UInt8]) -> Timestamp? {
        guard text.count == 23, text.suffix(4).elementsEqual(" GMT".utf8) else { return nil }
        return Timestamp(String(decoding: text.dropLast(4), as: UTF8.self))
    }
}
