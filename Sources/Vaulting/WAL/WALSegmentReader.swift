public import Domain
import Platform
import Storage

/// Reads WAL back: the exact bytes of a segment, or of as much of it as was ever made durable.
///
/// The whole segment is used when it is there, else the longest part or journal; several of them
/// must agree. Works with a key that opens nothing but the WAL of this instance. "Not there" is
/// said only when it is certain; every doubt throws.
public struct WALSegmentReader: Sendable {
    /// What a fetch wrote.
    public struct Fetched: Hashable, Sendable {
        /// Bytes of WAL; the rest of the segment is zeros.
        public var length: UInt64
        /// Bytes of the file: the segment size.
        public var size: UInt64
        /// True when the whole segment was archived.
        public var isWhole: Bool { length == size }
    }

    private let vault: Vault
    private let systemIdentifier: SystemIdentifier

    /// How often objects may move under a reader (a journal being published) before it gives up.
    private static let attemptsMax = 16

    /// A reader of one instance's WAL.
    public init(_ vault: Vault, _ systemIdentifier: SystemIdentifier) {
        self.vault = vault
        self.systemIdentifier = systemIdentifier
    }

    /// Writes a segment to the file `path`, in full length; nil when it is certainly not archived.
    ///
    /// The file appears complete or not at all (temporary name, rename); it is not synced. Bytes
    /// from `limit` on, and those nobody received, are zeros.
    public func fetch(_ segment: String, to path: String, upTo limit: LSN? = nil) throws -> Fetched?
    {
        try retrying(segment) {
            let sealed = WALObjectName(systemIdentifier, segment: segment, .sealed)
            if limit == nil, let whole = try WholeSegment(vault, sealed) {
                let size = whole.segment.size.bytes
                try place(at: path) { try whole.write(to: $0) }
                return Fetched(length: size, size: size)
            }
            guard let reader = try best(segment), let head = reader.head else { return nil }
            let size = head.segment.size.bytes
            var room = size
            if let limit {
                room = limit <= head.segment.start ? 0 : min(size, limit - head.segment.start)
            }
            var length: UInt64 = 0
            try place(at: path) { file in
                length = try write(reader, to: file, room: room)
                try pad(file, from: length, to: size)
            }
            return Fetched(length: length, size: size)
        }
    }

    /// Has `body` write a file that appears under `path` complete or not at all.
    private func place(at path: String, _ body: (File) throws -> Void) throws {
        let temporary = "\(path).pgkeep-\(ProcessIdentity.current().process)"
        do {
            let file = try File(temporary, .replace(0o600))
            try body(file)
            try file.close()
            try FileSystem.rename(temporary, to: path)
        } catch {
            _ = try? FileSystem.removeFile(temporary)
            throw error
        }
    }

    /// Hands out the bytes of a segment in order, each slice valid during its call; returns how
    /// many there were, nil when it is certainly not archived.
    ///
    /// When an object moves meanwhile, it throws `.busy` instead of beginning again.
    public func read(
        _ segment: String,
        _ body: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> UInt64? {
        var begun = false
        return try retrying(segment, while: { !begun }) {
            guard let reader = try best(segment) else { return nil }
            while let bytes = try reader.next() {
                begun = true
                try body(bytes)
            }
            return reader.length
        }
    }

    /// How many bytes of a segment are archived; nil when it is certainly not there.
    public func length(of segment: String) throws -> UInt64? {
        try retrying(segment) {
            guard let reader = try best(segment) else { return nil }
            try reader.readToEnd()
            return reader.length
        }
    }

    // MARK: Choosing

    /// A reader at the start of the best object of a segment; nil when there is certainly none.
    private func best(_ segment: String) throws -> WALObjectReader? {
        let sealed = WALObjectName(systemIdentifier, segment: segment, .sealed)
        if let whole = try vault.store.head(sealed.object) {
            return try WALObjectReader(vault, sealed, size: whole.size)
        }
        var candidates = try list(sealed)
        if candidates.isEmpty {
            // A listing may miss what is created and removed while it runs. Journals go only after
            // their successor is durable, and to the sealed name at last: two empty listings and
            // then no sealed segment mean that there is nothing.
            candidates = try list(sealed)
            guard candidates.isEmpty else { throw moved(segment) }
            guard try vault.store.head(sealed.object) == nil else { throw moved(segment) }
            return nil
        }
        if let whole = candidates.first(where: { $0.name.form == .sealed }) {
            return try WALObjectReader(vault, whole.name, size: whole.size)
        }
        return try longest(candidates)
    }

    private func list(_ sealed: WALObjectName) throws -> [WALArchive.Entry] {
        try vault.store.list(prefix: sealed.object.text).compactMap { information in
            guard let name = WALObjectName(information.name) else { return nil }
            if case .alternate = name.form { return nil }
            return WALArchive.Entry(
                name: name,
                size: information.size,
                modified: information.modified
            )
        }
    }

    private func longest(_ candidates: [WALArchive.Entry]) throws -> WALObjectReader? {
        if candidates.count == 1 {
            return try nonEmpty(try open(candidates[0]), candidates[0])
        }
        var longest: WALArchive.Entry?
        var length: UInt64 = 0
        for candidate in candidates {
            let reader = try open(candidate)
            try reader.readToEnd()
            guard reader.length > length else { continue }
            (longest, length) = (candidate, reader.length)
        }
        guard let longest else { return nil }
        for other in candidates where other != longest {
            let offset = try WALComparison.firstDifference(try open(longest), try open(other))
            guard let offset else { continue }
            throw PgkeepError(
                .integrity,
                "\(longest.name) and \(other.name) differ at byte \(offset) of the segment",
                hint: "two servers have written the same timeline; see pgkeep vault check"
            )
        }
        return try open(longest)
    }

    private func open(_ entry: WALArchive.Entry) throws -> WALObjectReader {
        try WALObjectReader(vault, entry.name, size: entry.size)
    }

    /// A journal that holds no byte yet is no WAL.
    private func nonEmpty(
        _ reader: WALObjectReader,
        _ entry: WALArchive.Entry
    ) throws -> WALObjectReader? {
        try reader.next() == nil ? nil : try open(entry)
    }

    // MARK: Writing

    private func write(_ reader: WALObjectReader, to file: File, room: UInt64) throws -> UInt64 {
        var offset: UInt64 = 0
        while offset < room, let bytes = try reader.next() {
            let count = Int(min(UInt64(bytes.count), room - offset))
            try file.write(UnsafeRawBufferPointer(rebasing: bytes[..<count]), at: offset)
            offset += UInt64(count)
        }
        return offset
    }

    private func pad(_ file: File, from start: UInt64, to end: UInt64) throws {
        guard start < end else { return }
        let zeros = [UInt8](repeating: 0, count: Int(min(end - start, 1 << 20)))
        var offset = start
        while offset < end {
            let count = Int(min(end - offset, UInt64(zeros.count)))
            try zeros.withUnsafeBytes {
                try file.write(UnsafeRawBufferPointer(rebasing: $0[..<count]), at: offset)
            }
            offset += UInt64(count)
        }
    }

    // MARK: Moving objects

    private func retrying<Result>(
        _ segment: String,
        while mayRetry: () -> Bool = { true },
        _ body: () throws -> Result
    ) throws -> Result {
        precondition(WALSegment.isName(segment))
        for _ in 0..<Self.attemptsMax {
            do {
                return try body()
            } catch let error as PgkeepError
                where error.code == .notFound || error.code == .busy
            {
                // An object was listed and is gone: published under its final name, or superseded.
                guard mayRetry() else { throw moved(segment) }
            }
        }
        throw moved(segment)
    }

    private func moved(_ segment: String) -> PgkeepError {
        PgkeepError(
            .busy,
            "the objects of WAL segment \(segment) keep changing",
            hint: "try again"
        )
    }
}
