import Domain
import Platform
import Vaulting

/// One thread of a restore: fetches the pages of a window, opens and decompresses them, and puts
/// each where it belongs, once.
final class RestoreWriter {
    private let fetcher: PageFetcher
    private let manifest: RestoredManifest
    private let edits: RestoreEdits
    private let owner: UserAccount?
    private let meter: ProgressMeter
    private let token: CancellationToken

    private static let joiner = CRC32CJoiner(blockLength: VaultFormat.pageBytes)
    private static let zeroPageChecksum: UInt32 = {
        let zeros = [UInt8](repeating: 0, count: VaultFormat.pageBytes)
        return zeros.withUnsafeBytes { CRC32C.of($0) }
    }()

    init(
        fetcher: PageFetcher,
        manifest: RestoredManifest,
        edits: RestoreEdits,
        owner: UserAccount?,
        meter: ProgressMeter,
        token: CancellationToken
    ) {
        self.fetcher = fetcher
        self.manifest = manifest
        self.edits = edits
        self.owner = owner
        self.meter = meter
        self.token = token
    }

    /// Where the bytes of one part gather.
    private enum Sink {
        /// A small file's content.
        case memory(UnsafeMutableRawBufferPointer)
        /// A region of an open file, and the checksum of each of its pages.
        case file(File, offset: UInt64, checksums: UnsafeMutableBufferPointer<UInt32>)
    }

    /// Writes everything of the window. Nothing is durable on return.
    func write(_ window: RestoreWindow) throws {
        var sinks: [Sink] = []
        defer {
            for sink in sinks {
                switch sink {
                case .memory(let memory): memory.deallocate()
                case .file(_, _, let checksums): checksums.deallocate()
                }
            }
        }
        for part in window.parts { sinks.append(try open(part)) }
        try fetcher.fetch(window.runs) { tag, bytes in
            try token.check()
            let (number, page) = RestoreWindow.resolve(tag)
            try place(bytes, at: page, of: window.parts[number], into: sinks[number])
        }
        for (part, sink) in zip(window.parts, sinks) { try close(part, sink) }
    }

    private func open(_ part: RestoreWindow.Part) throws -> Sink {
        guard !part.isSmall else {
            let memory = UnsafeMutableRawBufferPointer.allocate(
                byteCount: max(part.pages * VaultFormat.pageBytes, 1),
                alignment: 16
            )
            memory.initializeMemory(as: UInt8.self, repeating: 0)
            return .memory(memory)
        }
        let file = try File(part.file.place, .update)
        let checksums = UnsafeMutableBufferPointer<UInt32>.allocate(capacity: part.pages)
        // Zero pages are never fetched: the file was made with holes in their places.
        checksums.initialize(repeating: Self.zeroPageChecksum)
        let rest = Int(part.file.bytes(ofRegion: part.region)) % VaultFormat.pageBytes
        if rest > 0 {
            let zeros = [UInt8](repeating: 0, count: rest)
            checksums[part.pages - 1] = zeros.withUnsafeBytes { CRC32C.of($0) }
        }
        let offset = UInt64(part.region) * UInt64(VaultFormat.regionPages * VaultFormat.pageBytes)
        return .file(file, offset: offset, checksums: checksums)
    }

    private func place(
        _ bytes: UnsafeRawBufferPointer,
        at page: Int,
        of part: RestoreWindow.Part,
        into sink: Sink
    ) throws {
        let start = page * VaultFormat.pageBytes
        switch sink {
        case .memory(let memory):
            UnsafeMutableRawBufferPointer(rebasing: memory[start..<start + bytes.count])
                .copyMemory(from: bytes)
        case .file(let file, let offset, let checksums):
            // The end of a file's last page is filling.
            let valid = min(bytes.count, Int(part.file.bytes(ofRegion: part.region)) - start)
            let content = UnsafeRawBufferPointer(rebasing: bytes[..<valid])
            try file.write(content, at: offset + UInt64(start))
            var done = 0
            while done < valid {
                let length = min(VaultFormat.pageBytes, valid - done)
                checksums[page + done / VaultFormat.pageBytes] = CRC32C.of(
                    UnsafeRawBufferPointer(rebasing: content[done..<done + length])
                )
                done += length
            }
        }
    }

    private func close(_ part: RestoreWindow.Part, _ sink: Sink) throws {
        let file = part.file
        switch sink {
        case .memory(let memory):
            let content = UnsafeRawBufferPointer(rebasing: memory[..<Int(file.size)])
            try file.check(CRC32C.of(content))
            try edits.write(file, content, manifest: manifest, owner: owner)
            meter.add(file.size)
        case .file(let open, let offset, let checksums):
            let bytes = file.bytes(ofRegion: part.region)
            let region = checksum(of: checksums, bytes: bytes)
            open.startWriteback(offset: offset, length: bytes)
            if let whole = file.complete(region: part.region, checksum: region) {
                try file.check(whole)
                try manifest.add(
                    file.path,
                    size: file.size,
                    crc32c: whole,
                    modified: file.modified
                )
            }
            meter.add(bytes)
        }
    }

    private func checksum(
        of pages: UnsafeMutableBufferPointer<UInt32>,
        bytes: UInt64
    ) -> UInt32 {
        let full = Int(bytes) / VaultFormat.pageBytes
        let rest = Int(bytes) % VaultFormat.pageBytes
        var crc: UInt32 = 0
        for page in 0..<full { crc = Self.joiner.append(pages[page], to: crc) }
        guard rest > 0 else { return crc }
        return CRC32C.combine(crc, pages[full], lengthOfSecond: UInt64(rest))
    }
}
