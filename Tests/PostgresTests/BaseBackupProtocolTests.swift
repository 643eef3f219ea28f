import Domain
import Postgres
import Testing

/// Runs a scripted conversation and writes down what it meant.
private struct Script {
    var conversation: BaseBackupProtocol
    var log: [String] = []

    init(_ major: Int) {
        conversation = BaseBackupProtocol(version: ServerVersion(number: major * 10000 + 1))
    }

    mutating func answer(_ answer: ServerAnswer) throws { note(try conversation.receive(answer)) }

    mutating func copy(_ bytes: [UInt8]) throws {
        let event = try bytes.withUnsafeBytes { try conversation.receive(copy: $0) }
        note(event, bytes)
    }

    /// A message of the framing of 15 and later.
    mutating func copy(_ type: Character, _ body: [UInt8]) throws {
        let message = [type.asciiValue ?? 0] + body
        let said = try message.withUnsafeBytes { raw -> String? in
            Self.text(try conversation.receive(copy: raw))
        }
        if let said { log.append(said) }
    }

    mutating func archive(_ name: String) throws {
        try copy("n", Array(name.utf8) + [0] + Array("/somewhere".utf8) + [0])
    }

    mutating func end() throws { try conversation.copyEnded() }

    private mutating func note(_ event: BaseBackupProtocol.Event, _ bytes: [UInt8] = []) {
        if let text = Self.text(event, bytes) { log.append(text) }
    }

    /// `bytes` stands in for a slice whose memory is gone by now.
    private static func text(
        _ event: BaseBackupProtocol.Event,
        _ bytes: [UInt8]? = nil
    ) -> String? {
        switch event {
        case .begin(let start):
            let total = start.estimatedBytes.map(String.init) ?? "?"
            return "begin \(start.lsn) \(start.timeline) \(start.tablespaces.map(\.oid)) \(total)"
        case .archive(let tablespace): return "archive \(tablespace?.oid ?? 0)"
        case .data(let slice):
            return "data \(String(decoding: bytes ?? Array(slice), as: UTF8.self))"
        case .manifestBegins: return "manifest"
        case .manifest(let slice):
            return "manifest \(String(decoding: bytes ?? Array(slice), as: UTF8.self))"
        case .progress(let bytes): return "progress \(bytes)"
        case .none: return nil
        }
    }

    mutating func begin() throws {
        try answer(.rows([["0/2000028", "3"]]))
        try answer(.rows([["16400", "/ts", "10"], [nil, nil, "22"]]))
        try answer(.copyOut)
    }
}

@Suite struct BaseBackupProtocolTests {
    @Test func `one copy with type bytes is understood`() throws {
        var script = Script(15)
        try script.begin()
        try script.archive("16400.tar")
        try script.copy("d", Array("ab".utf8))
        try script.copy("p", [0, 0, 0, 0, 0, 0, 1, 2])
        try script.copy("d", Array("c".utf8))
        try script.archive("base.tar")
        try script.copy("d", Array("main".utf8))
        try script.copy("m", [])
        try script.copy("d", Array("{}".utf8))
        try script.end()
        try script.answer(.rows([["0/2000100", "3"]]))
        try script.answer(.complete("BASE_BACKUP"))
        #expect(script.conversation.next == .answer)
        try script.answer(.finished)
        #expect(
            script.log == [
                "begin 0/2000028 3 [16400] 32768", "archive 16400", "data ab", "progress 258",
                "data c", "archive 0", "data main", "manifest", "manifest {}",
            ]
        )
        #expect(script.conversation.next == .nothing)
        #expect(
            script.conversation.result
                == BaseBackupEnd(
                    lsn: LSN(0x200_0100),
                    timeline: 3,
                    notices: [],
                    hasChecksumFailures: false
                )
        )
    }

    @Test func `one copy for each archive is understood`() throws {
        var script = Script(14)
        try script.begin()
        try script.copy(Array("dts".utf8))
        try script.end()
        #expect(script.conversation.next == .answer)
        try script.answer(.copyOut)
        try script.copy(Array("nmain".utf8))
        try script.end()
        try script.answer(.copyOut)
        try script.copy(Array("{}".utf8))
        try script.end()
        try script.answer(.rows([["0/2000100", "3"]]))
        try script.answer(.complete("SELECT"))
        try script.answer(.finished)
        #expect(
            script.log == [
                "begin 0/2000028 3 [16400] 32768", "archive 16400", "data dts", "archive 0",
                "data nmain", "manifest", "manifest {}",
            ]
        )
        #expect(script.conversation.result?.lsn == LSN(0x200_0100))
    }

    @Test func `without an estimate the total is unknown`() throws {
        var script = Script(16)
        try script.answer(.rows([["0/1", "1"]]))
        try script.answer(.rows([[nil, nil, nil]]))
        #expect(script.log == ["begin 0/1 1 [] ?"])
    }

    @Test(arguments: [14, 15]) func `damaged pages are no failure when all was sent`(
        major: Int
    ) throws {
        var script = Script(major)
        try script.answer(.rows([["0/1", "1"]]))
        try script.answer(.rows([[nil, nil, "1"]]))
        try script.answer(.copyOut)
        if major == 15 {
            try script.archive("base.tar")
            try script.copy("m", [])
        } else {
            try script.end()
            try script.answer(.copyOut)
        }
        try script.end()
        try script.answer(.rows([["0/2", "1"]]))
        try script.answer(.failed(PostgresError(sqlstate: "XX001", message: "checksum")))
        try script.answer(.finished)
        #expect(script.conversation.result?.hasChecksumFailures == true)
    }

    @Test func `an error is thrown wherever it comes`() throws {
        let error = ServerAnswer.failed(PostgresError(sqlstate: "58P01", message: "gone"))
        let damage = ServerAnswer.failed(PostgresError(sqlstate: "XX001", message: "checksum"))
        for step in 0..<6 {
            var script = Script(15)
            if step > 0 { try script.answer(.rows([["0/1", "1"]])) }
            if step > 1 { try script.answer(.rows([[nil, nil, "1"]])) }
            if step > 2 { try script.answer(.copyOut) }
            if step > 3 { try script.archive("base.tar") }
            if step > 4 { try script.copy("m", []) }
            if step > 2 { try script.end() }
            let before = script
            #expect(throws: PgkeepError.self) { try script.answer(error) }
            // Damage reported before the stop position means that something is missing.
            script = before
            #expect(throws: PgkeepError.self) { try script.answer(damage) }
            script = before
            if step > 2 && step < 5 {
                #expect(throws: PgkeepError.self) { try script.answer(.rows([["0/2", "1"]])) }
            }
        }
    }

    @Test func `nonsense is refused`() throws {
        func broken(_ body: (inout Script) throws -> Void) {
            var script = Script(15)
            do {
                try script.begin()
                try body(&script)
                Issue.record("nonsense was taken")
            } catch {
                #expect((error as? PgkeepError)?.code == .sourceBroken)
            }
        }
        broken { try $0.copy("d", [1]) }
        broken { try $0.copy("x", [1]) }
        broken { try $0.copy([]) }
        broken { try $0.copy("p", [1, 2]) }
        broken { try $0.archive("base.tar") }
        broken { try $0.archive("16401.tar") }
        broken { try $0.archive("16400.tar.gz") }
        broken {
            try $0.archive("16400.tar")
            try $0.archive("base.tar")
            try $0.archive("base.tar")
        }
        broken {
            try $0.copy("m", [])
            try $0.end()
        }
        broken {
            try $0.copy("m", [])
            try $0.archive("16400.tar")
        }
        broken { try $0.answer(.copyOut) }
        broken {
            try $0.end()
            try $0.answer(.copyOut)
        }
        for rows in [[], [["0/0", "x"]], [["", "1"]], [[nil, nil]], [["0/1"]]] as [[[String?]]] {
            var script = Script(15)
            #expect(throws: PgkeepError.self) { try script.answer(.rows(rows)) }
        }
        for rows in [[], [["1", "/a", "1"]], [["x", "/a", "1"], [nil, nil, "1"]]] as [[[String?]]] {
            var script = Script(15)
            try script.answer(.rows([["0/1", "1"]]))
            #expect(throws: PgkeepError.self) { try script.answer(.rows(rows)) }
        }
    }

    @Test func `the command speaks the server's dialect`() {
        var options = BaseBackupOptions(label: "it's\na \"label\"", maxRate: 7)
        #expect(
            options.command(for: ServerVersion(number: 150_001))
                == "BASE_BACKUP (LABEL 'it''s a \"label\"', PROGRESS true, CHECKPOINT 'fast', "
                + "WAIT false, MAX_RATE 32, TABLESPACE_MAP true, VERIFY_CHECKSUMS true, "
                + "MANIFEST 'yes', MANIFEST_CHECKSUMS 'CRC32C')"
        )
        #expect(
            options.command(for: ServerVersion(number: 140_001))
                == "BASE_BACKUP LABEL 'it''s a \"label\"' PROGRESS FAST NOWAIT MAX_RATE 32 "
                + "TABLESPACE_MAP MANIFEST 'yes' MANIFEST_CHECKSUMS 'CRC32C'"
        )
        options.label = String(repeating: "é", count: 2000)
        options.maxRate = nil
        options.isIncremental = true
        options.checkpoint = .spread
        options.verifiesChecksums = false
        options.estimatesSize = false
        let command = options.command(for: ServerVersion(number: 180_001))
        #expect(command.utf8.count < 700)
        #expect(command.contains("PROGRESS false, CHECKPOINT 'spread', WAIT false, TABLESPACE_MAP"))
        #expect(
            command.hasSuffix(
                "VERIFY_CHECKSUMS false, MANIFEST 'yes', "
                    + "MANIFEST_CHECKSUMS 'CRC32C', INCREMENTAL true)"
            )
        )
    }

    @Test func `warnings name the damaged pages`() {
        let end = BaseBackupEnd(
            lsn: LSN(1),
            timeline: 1,
            notices: [
                Notice(
                    severity: "WARNING",
                    sqlstate: "01000",
                    message: "checksum verification failed in file \"./base/5/1259\", block 7: "
                        + "calculated 1A2B but expected 3C4D"
                ),
                Notice(
                    severity: "WARNING",
                    sqlstate: "01000",
                    message: "file \"base/5/1259\" has a total of 6 checksum verification failures"
                ),
                Notice(severity: "NOTICE", sqlstate: "00000", message: "hello"),
            ],
            hasChecksumFailures: true
        )
        #expect(end.checksumFailures.map(\.path) == ["base/5/1259", "base/5/1259"])
        #expect(end.checksumFailures.map(\.block) == [7, nil])
    }
}
