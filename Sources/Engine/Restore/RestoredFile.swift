import Domain
import Platform
import Synchronization
import Vaulting

/// One file of the copy, written in parts by several threads; the last part settles its checksum.
final class RestoredFile: Sendable {
    let path: [UInt8]
    let place: RawPath
    let size: UInt64
    let mode: UInt32
    let modified: Int64
    /// What the catalog says of the content; nil when it does not know.
    let expected: UInt32?
    private let checksums: Mutex<[UInt32?]>

    init(_ entry: CatalogEntry, size: UInt64, crc32c: UInt32?, place: RawPath) {
        path = entry.path
        self.place = place
        self.size = size
        mode = entry.mode
        modified = entry.modifiedSeconds
        expected = crc32c
        let regions = FileContent.regions(ofPages: FileContent.pages(ofSize: size))
        checksums = Mutex(Array(repeating: nil, count: regions))
    }

    /// Bytes of the file in region `number`.
    func bytes(ofRegion number: Int) -> UInt64 {
        let region = UInt64(VaultFormat.regionPages * VaultFormat.pageBytes)
        return min(region, size - UInt64(number) * region)
    }

    /// Notes the checksum of a region; returns the whole file's to whoever notes the last.
    func complete(region number: Int, checksum: UInt32) -> UInt32? {
        checksums.withLock { checksums in
            checksums[number] = checksum
            var whole: UInt32 = 0
            for (number, checksum) in checksums.enumerated() {
                guard let checksum else { return nil }
                whole = CRC32C.combine(
                    whole,
                    checksum,
                    lengthOfSecond: bytes(ofRegion: number)
                )
            }
            return whole
        }
    }

    /// Throws unless the content is what was backed up.
    func check(_ checksum: UInt32) throws {
        guard let expected, expected != checksum else { return }
        throw PgkeepError(
            .integrity,
            "\(String(decoding: path, as: UTF8.self)) does not read as it was backed up",
            hint: "run pgkeep vault check --level decode, and restore from another point"
        )
    }
}
