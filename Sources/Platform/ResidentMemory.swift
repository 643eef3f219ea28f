internal import CPlatform
internal import Glibc

/// What a process that runs for long need not keep of what its start took.
public enum ResidentMemory {
    /// Lets go of the pages of code and constants that are in no use, and of free heap memory.
    ///
    /// The kernel reads files in runs around each page that is met, and starting touches much of a
    /// program; the pages needed again come back from its cache. Only mappings nothing was ever
    /// written to are let go: others hold what the loader has put there.
    public static func trim() {
        for range in unwrittenRanges() {
            guard let start = UnsafeMutableRawPointer(bitPattern: range.lowerBound) else {
                continue
            }
            madvise(start, range.count, MADV_DONTNEED)
        }
        pgkeep_trim_heap()
    }

    /// Private mappings of files that cannot be written to and hold no page of their own.
    private static func unwrittenRanges() -> [Range<UInt>] {
        guard let bytes = try? FileSystem.readFile("/proc/self/smaps") else { return [] }
        var found: [Range<UInt>] = []
        var candidate: Range<UInt>?
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ", omittingEmptySubsequences: true)
            if let range = words.first.flatMap(range) {
                let isCode =
                    words.count > 5 && words[5].hasPrefix("/")
                    && words[1].hasPrefix("r-") && words[1].hasSuffix("p")
                candidate = isCode ? range : nil
            } else if words.first == "Anonymous:", words.count > 1, words[1] == "0",
                let range = candidate
            {
                found.append(range)
                candidate = nil
            }
        }
        return found
    }

    private static func range(_ word: Substring) -> Range<UInt>? {
        let ends = word.split(separator: "-")
        guard ends.count == 2, let start = UInt(ends[0], radix: 16),
            let end = UInt(ends[1], radix: 16), start < end
        else { return nil }
        return start..<end
    }
}
