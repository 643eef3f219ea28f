import Domain
import Platform
import Storage
import TestSupport
import Testing
import Vaulting

private struct Note: Codable, Sendable, Equatable {
    var text: String
    var count = 0
}

@Suite struct RecordStoreTests {
    private func notes(_ wal: WALFixture) -> RecordStore<Note> {
        RecordStore(wal.vault, kind: "note")
    }

    @Test func `a record is created, read, changed and removed`() throws {
        let wal = try WALFixture()
        let notes = notes(wal)
        #expect(try notes.read("a") == nil)
        try notes.create("a", Note(text: "first"))
        #expect(try thrownCode { try notes.create("a", Note(text: "again")) } == .exists)
        let first = try #require(try notes.read("a"))
        #expect(first.value == Note(text: "first") && first.revision == 1)
        let second = try notes.update(first, to: Note(text: "second"))
        #expect(second.revision == 2)
        #expect(try thrownCode { try notes.update(first, to: Note(text: "late")) } == .busy)
        try notes.create("b", Note(text: "other"))
        #expect(try notes.list().map(\.id) == ["a", "b"])
        try notes.remove(second)
        #expect(try notes.list().map(\.id) == ["b"])
        #expect(try notes.read("a")?.value == nil)
        #expect(try notes.create("a", Note(text: "new life")).revision == 4)
        #expect(try thrownCode { try notes.change("c") { $0.count = 1 } } == .notFound)
    }

    @Test func `old revisions are tidied away`() throws {
        let wal = try WALFixture()
        let notes = notes(wal)
        try notes.create("a", Note(text: ""))
        for count in 1...10 { try notes.change("a") { $0.count = count } }
        #expect(wal.store.names.count { $0.text.hasPrefix("r/note/a/") } == 3)
        #expect(try notes.read("a")?.revision == 11)
        #expect(try notes.read("a")?.value?.count == 10)
    }

    @Test func `no change of many writers is lost`() throws {
        let wal = try WALFixture()
        try notes(wal).create("a", Note(text: ""))
        let writers = (0..<8).map { number in
            Thread<Int>("writer-\(number)") {
                var done = 0
                for _ in 0..<10 {
                    do {
                        try notes(wal).change("a") { $0.count += 1 }
                        done += 1
                    } catch let error as PgkeepError where error.code == .busy {}
                }
                return done
            }
        }
        let done = try writers.map { try $0.join() }.reduce(0, +)
        #expect(done > 0)
        #expect(try notes(wal).read("a")?.value?.count == done)
        #expect(try notes(wal).read("a")?.revision == UInt64(done + 1))
    }

    @Test func `of many creators one wins`() throws {
        let wal = try WALFixture()
        let creators = (0..<32).map { number in
            Thread<Bool>("creator-\(number)") {
                do {
                    try notes(wal).create("a", Note(text: "\(number)"))
                    return true
                } catch let error as PgkeepError where error.code == .exists {
                    return false
                }
            }
        }
        let created = try creators.map { try $0.join() }
        #expect(created.count { $0 } == 1)
    }

    @Test(arguments: [1, 5, 30])
    func `a writer that slept while others changed and tidied is told so`(changes: Int) throws {
        let wal = try WALFixture()
        let notes = notes(wal)
        let read = try notes.create("a", Note(text: "base"))
        let hasSlept = Condition(false)
        wal.store.setFaults { call in
            guard call.operation == .putIfAbsent,
                hasSlept.change({ slept in
                    defer { slept = true }
                    return !slept
                })
            else { return nil }
            do {
                for count in 1...changes { try notes.change("a") { $0.count = count } }
            } catch {
                Issue.record(error)
            }
            return nil
        }
        #expect(try thrownCode { try notes.update(read, to: Note(text: "late")) } == .busy)
        wal.store.setFaults(nil)
        #expect(try notes.read("a")?.value == Note(text: "base", count: changes))
        #expect(wal.store.names.allSatisfy { $0.text != "r/note/a/0000000002" || changes < 4 })
    }

    @Test func `a writer overtaken only after its change knows that it counted`() throws {
        let wal = try WALFixture()
        let notes = notes(wal)
        let read = try notes.create("a", Note(text: "base"))
        let hasSlept = Condition(false)
        wal.store.setFaults { call in
            // The first look after the put: others have built on the change by then.
            guard call.operation == .list, wal.store.peek("r/note/a/0000000002") != nil,
                hasSlept.change({ slept in
                    defer { slept = true }
                    return !slept
                })
            else { return nil }
            do {
                for _ in 0..<8 { try notes.change("a") { $0.count += 1 } }
            } catch {
                Issue.record(error)
            }
            return nil
        }
        try notes.update(read, to: Note(text: "mine"))
        wal.store.setFaults(nil)
        #expect(try notes.read("a")?.value == Note(text: "mine", count: 8))
    }

    @Test func `any flipped byte of a record is found, and so is another record`() throws {
        let wal = try WALFixture()
        let notes = notes(wal)
        try notes.create("a", Note(text: "x"))
        try notes.create("b", Note(text: "y"))
        try expectEveryFlipFound(wal.store, "r/note/a/0000000001") { _ = try notes.read("a") }
        let other = try #require(wal.store.peek("r/note/b/0000000001"))
        wal.store.overwrite("r/note/a/0000000001", with: other)
        #expect(try thrownCode { _ = try notes.read("a") } == .integrity)
    }

    @Test func `a damaged record is taken up at the newest revision that can be read`() throws {
        let wal = try WALFixture()
        let notes = notes(wal)
        let none = Note(text: "nothing known")
        #expect(try !notes.mend("a", orElse: none))
        try notes.create("a", Note(text: "x"))
        try notes.change("a") { $0.count = 1 }
        try notes.change("a") { $0.count = 2 }
        let last = try #require(try notes.read("a"))
        #expect(try !notes.mend("a", orElse: none))
        try damage(wal, revision: 3)
        #expect(try notes.mend("a", orElse: none))
        let taken = try #require(try notes.read("a"))
        #expect(taken.value == Note(text: "x", count: 1) && taken.revision == 4)
        #expect(try !notes.mend("a", orElse: none))
        #expect(try thrownCode { try notes.update(last, to: none) } == .busy)
        try notes.update(taken, to: Note(text: "x", count: 5))

        for revision in 4...5 { try damage(wal, revision: revision) }
        #expect(try notes.mend("a", orElse: none))
        #expect(try notes.read("a")?.value == none)
    }

    private func damage(_ wal: WALFixture, revision: Int) throws {
        let name = ObjectName("r/note/a/000000000\(revision)")
        guard var bytes = wal.store.peek(name) else { return }
        bytes[bytes.count / 2] ^= 1
        wal.store.overwrite(name, with: bytes)
    }

    @Test func `an instance is kept without any password`() throws {
        let wal = try WALFixture()
        let name = try InstanceName(checking: "main")
        func make(_ source: String) throws -> InstanceRecord {
            try InstanceRecord(
                name: name,
                systemIdentifier: wal.system,
                source: source,
                slot: "pgkeep_main",
                serverVersion: ServerVersion(number: 150_018),
                segmentSize: wal.size,
                createdAt: Timestamp(seconds: 1_800_000_000),
                labels: ["team": "a"]
            )
        }
        let record = try make("host=db user=backup")
        try wal.vault.instances().create("main", record)
        #expect(try wal.vault.instances().read("main")?.value == record)
        let secrets = [
            "host=db password=hunter2", "password = 'hunter2' host=db", "host='a b' password=x",
            "host=a\\ b  sslpassword=x", "user='o\\'brien' password=x",
            "postgresql://u:hunter2@db/app", "postgres://u:h%40x@[::1]:5432/app",
            "postgresql://db/app?password=hunter2", "postgresql://db/app?x=y&sslpassword=z",
            "postgresql://db/app?%70assword=hunter2",
        ]
        for secret in secrets {
            do {
                _ = try make(secret)
                Issue.record("accepted \(secret)")
            } catch let error as PgkeepError {
                #expect(error.code == .refused && !error.description.contains("hunter2"))
            }
        }
        let harmless = [
            "", "host=password user=x", "host=db passfile=/p", "password='' host=db",
            "service=main",
            "postgresql://u@db/app", "postgresql://u:@db:5432/app?passfile=x",
            "postgresql://db:5432/app?sslmode=require", "application_name='password=x'",
        ]
        for source in harmless { _ = try make(source) }
    }
}
