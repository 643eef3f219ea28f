import Foundation
import Platform
import Postgres
import Sealing
import TestSupport

/// Bytes recorded from real servers, by major version.
enum Fixture {
    static let majors = [15, 16, 18]

    static func bytes(_ major: Int, _ name: String) throws -> [UInt8] {
        let root = Bundle.module.resourcePath ?? "."
        return try FileSystem.readFile("\(root)/Fixtures/\(major)/\(name)")
    }

    static func text(_ major: Int, _ name: String) throws -> String {
        String(decoding: try bytes(major, name), as: UTF8.self)
    }

    static func lines(_ major: Int, _ name: String) throws -> [Substring] {
        try text(major, name).split(separator: "\n")
    }
}

/// Cuts bytes into slices of random length and hands each on from memory of its own, so that
/// reading past a slice is seen by the sanitizers.
func inSlices(
    _ bytes: UnsafeRawBufferPointer,
    of lengths: ClosedRange<Int>,
    _ random: inout SeededRandom,
    _ body: (UnsafeRawBufferPointer, _ offset: Int) throws -> Void
) rethrows {
    var offset = 0
    while offset < bytes.count {
        let length = min(Int.random(in: lengths, using: &random), bytes.count - offset)
        let slice = Array(bytes[offset..<offset + length])
        try slice.withUnsafeBytes { try body($0, offset) }
        offset += length
    }
}

func inSlices(
    _ bytes: [UInt8],
    of lengths: ClosedRange<Int>,
    _ random: inout SeededRandom,
    _ body: (UnsafeRawBufferPointer, _ offset: Int) throws -> Void
) rethrows {
    try bytes.withUnsafeBytes { try inSlices($0, of: lengths, &random, body) }
}

/// Flips, overwrites, cuts and repeats: what damage and malice look like to a parser.
func mutated(_ bytes: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
        let at = Int.random(in: 0..<bytes.count, using: &random)
        let length = min(bytes.count - at, Int.random(in: 1...16, using: &random))
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes[at] = .random(in: 0...255, using: &random)
        case 2: bytes.removeSubrange(at..<at + length)
        case 3: bytes.insert(contentsOf: bytes[at..<at + length], at: at)
        case 4: bytes.replaceSubrange(at..<at + length, with: random.bytes(length))
        default: bytes.removeLast(bytes.count - at)
        }
    }
    return bytes
}

extension BackupManifest.Digest {
    private final class Box {
        var digest = SHA256()
    }

    static var sha256: BackupManifest.Digest {
        let box = Box()
        return BackupManifest.Digest(
            update: { box.digest.update($0) },
            finish: { box.digest.finish() }
        )
    }
}
