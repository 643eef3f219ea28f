import Domain
import Glibc
import Platform
import Sealing
import TestSupport
import Testing

@Suite struct KeyFileTests {
    let scratch: ScratchDirectory
    let path: String

    init() throws {
        scratch = try ScratchDirectory()
        path = scratch.file("key")
    }

    @Test func `a key file is private, one line, and read back`() throws {
        let key = try KeyFile.create(path)
        #expect(key.count == 32)
        #expect(try FileSystem.info(path)?.mode == 0o600)
        let text = String(decoding: try FileSystem.readFile(path), as: UTF8.self)
        #expect(text.wholeMatch(of: /pgkeep-key-1 [0-9a-f]{64} [0-9a-f]{8}\n/) != nil)
        #expect(try KeyFile.read(path) == key)
    }

    @Test func `a key file is never overwritten`() throws {
        let key = try KeyFile.create(path)
        let error = #expect(throws: PgkeepError.self) { try KeyFile.create(path) }
        #expect(error?.code == .exists)
        #expect(try KeyFile.read(path) == key)
    }

    @Test func `a key file that others can read is refused`() throws {
        _ = try KeyFile.create(path)
        for (mode, allowed) in [(0o644, false), (0o660, false), (0o440, true), (0o400, true)] {
            chmod(path, mode_t(mode))
            if allowed {
                _ = try KeyFile.read(path)
            } else {
                let error = #expect(throws: PgkeepError.self) { try KeyFile.read(path) }
                #expect(error?.code == .refused)
            }
        }
    }

    @Test func `a missing or damaged key file is told apart from a wrong key`() throws {
        let missing = #expect(throws: PgkeepError.self) { try KeyFile.read(path) }
        #expect(missing?.code == .notFound)
        _ = try KeyFile.create(path)
        let line = try FileSystem.readFile(path)
        func rewritten(_ bytes: [UInt8]) throws -> SecretBytes {
            try FileSystem.writeAtomically(path, bytes)
            return try KeyFile.read(path)
        }
        for index in 0..<line.count - 1 {
            var damaged = line
            damaged[index] = damaged[index] == UInt8(ascii: "1") ? 0x32 : 0x31
            let error = #expect(throws: PgkeepError.self) { try rewritten(damaged) }
            #expect(error?.code == .usage)
        }
        for bytes in [[], Array(line.dropLast(5)), line + line] {
            #expect(throws: PgkeepError.self) { try rewritten(bytes) }
        }
        #expect(try rewritten(line.dropLast()) == rewritten(line.dropLast() + [13, 10]))
    }
}
