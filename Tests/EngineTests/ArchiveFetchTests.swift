import Domain
import Platform
import TestSupport
import Testing

/// `wal fetch` on a real archive: 1 is for what certainly is not there, and a recovering server
/// stops at anything else instead of promoting too early.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct ArchiveFetchTests {
    private static let absent = "0000000100000000000000F0"

    private func withArchive(
        _ major: Int,
        _ body: (ProtectedServer, _ objects: [String]) throws -> Void
    ) throws {
        let prepare: (PostgresServer) throws -> Void = { try $0.psql("create table t (x int)") }
        try ProtectedServer.with(.required(major), prepare: prepare) { protected in
            for number in 1...4 {
                try protected.server.psql(
                    "insert into t values (\(number)); select pg_switch_wal()"
                )
            }
            try protected.catchUp()
            try body(protected, protected.walObjects())
        }
    }

    @Test func `absent is one, unreadable is two hundred and more`() throws {
        try withArchive(try PostgresInstallation.newest().major) { protected, objects in
            let out = protected.scratch.file("operator/segment")
            func fetch(_ file: String, _ variables: [String: String] = [:]) throws -> Int32 {
                let result = try protected.pgkeep(["wal", "fetch", "main", file, out], variables)
                if result.exitCode >= 200 {
                    #expect(result.errors.split(separator: "\n").count == 2, "\(result.errors)")
                    for secret in try protected.keySecrets() {
                        #expect(!result.errors.contains(secret))
                    }
                }
                // What is there under the name is whole.
                let info = try FileSystem.info(out)
                #expect((info != nil) == (result.exitCode == 0))
                if let info { #expect(info.size == 16 << 20) }
                try FileSystem.removeFile(out)
                return result.exitCode
            }
            let names = objects.compactMap { $0.split(separator: "/").last.map(String.init) }
            let name = try #require(names.dropFirst(2).first { $0.utf8.count == 24 })
            let object = try #require(objects.first { $0.hasSuffix("/" + name) })
            #expect(try fetch(name) == 0)
            for absent in [Self.absent, "00000002.history", "00000009"] {
                #expect(try fetch(absent) == 1)
            }
            let other = protected.scratch.file("operator/other")
            try protected.succeed(["vault", "init", other, "--key-file", other + ".key"])
            var elsewhere = ["PGKEEP_KEY_FILE": other + ".key"]
            #expect(try fetch(name, elsewhere) == 206)
            #expect(try fetch(Self.absent, elsewhere) == 206)
            elsewhere["PGKEEP_VAULT"] = other
            #expect(try fetch(name, elsewhere) == 204)

            let good = try FileSystem.readFile(object)
            for damaged in [Self.flipped(good), Array(good.prefix(good.count / 2)), []] {
                try FileSystem.writeAtomically(object, damaged)
                try ServerUser.own(object)
                #expect(try fetch(name) == 206)
            }
            try FileSystem.writeAtomically(object, good)
            try ServerUser.own(object)
            #expect(try fetch(name) == 0)

            try FileSystem.rename(protected.vault, to: protected.vault + ".away")
            for file in [name, Self.absent] { #expect(try fetch(file) >= 200) }
            try FileSystem.makeDirectory(protected.vault)
            try ServerUser.own(protected.vault)
            for file in [name, Self.absent] { #expect(try fetch(file) >= 200) }
        }
    }

    private static func flipped(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        bytes[bytes.count / 2] ^= 0x10
        return bytes
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `a copy stops at a segment it cannot read`(major: Int) throws {
        try withArchive(major) { protected, objects in
            let copy = try protected.restoreOnly([])
            let segments = objects.filter { !$0.contains(".journal") && !$0.contains(".part") }
            let object = try #require(segments.dropLast().last)
            let good = try FileSystem.readFile(object)
            try FileSystem.writeAtomically(object, Self.flipped(good))
            try ServerUser.own(object)
            let attempt = try copy.launch()
            let ended = try #require(attempt.wait(seconds: 120), "the copy goes on without it")
            #expect(!ended.succeeded)
            #expect(copy.logText.contains("FATAL"))

            // With the segment whole again the same copy recovers to the end.
            try FileSystem.writeAtomically(object, good)
            try ServerUser.own(object)
            try copy.start()
            try copy.waitForPromotion()
            #expect(try copy.psql("select count(*) from t") == "4")
        }
    }
}
