import Domain
import Engine
import Platform
import Postgres
import TestSupport
import Testing
import Vaulting

/// Where a restore may write, and where the parts of a copy come to lie.
@Suite struct RestorePlacesTests {
    private func refusal(_ body: () throws -> Void) -> PgkeepError? {
        do {
            try body()
            return nil
        } catch {
            return error as? PgkeepError
        }
    }

    @Test func `only an empty or missing directory will do`() throws {
        try ScratchDirectory.with { scratch in
            func check(_ path: String) -> ErrorCode? {
                refusal { try RestoreTarget.check(path, vault: scratch.file("vault")) }?.code
            }
            #expect(check(scratch.file("new")) == nil)
            #expect(check(try scratch.directory("empty")) == nil)
            let fresh = try scratch.directory("fresh")
            try FileSystem.makeDirectory(fresh + "/lost+found")
            #expect(check(fresh) == nil)
            #expect(check(scratch.file("no/parent")) == .targetDirectory)
            try FileSystem.writeAtomically(scratch.file("file"), [1])
            #expect(check(scratch.file("file")) == .targetDirectory)
            let used = try scratch.directory("used")
            try FileSystem.writeAtomically(used + "/a", [1])
            #expect(check(used) == .targetDirectory)
            #expect(try FileSystem.list(used) == ["a"])
        }
    }

    @Test func `nothing goes into a server's directory or the vault, by no detour`() throws {
        try ScratchDirectory.with { scratch in
            let vault = try scratch.directory("vault")
            let data = try scratch.directory("data")
            try FileSystem.makeDirectories(data + "/global")
            try FileSystem.writeAtomically(data + "/global/pg_control", [1])
            try FileSystem.makeDirectories(data + "/deep/inside")
            try FileSystem.makeLink(scratch.file("link"), to: data + "/deep")
            for path in [
                data + "/new", data + "/deep/inside", scratch.file("link/inside"),
                scratch.file("link/new"), vault + "/new",
            ] {
                let found = refusal { try RestoreTarget.check(path, vault: vault) }
                #expect(found?.code == .targetDirectory, "\(path)")
            }
            #expect(try FileSystem.list(data) == ["deep", "global"])
        }
    }

    @Test func `tablespaces lie beside the copy unless told otherwise`() throws {
        try ScratchDirectory.with { scratch in
            let layout = try self.layout(scratch, mapped: [16_401: scratch.file("own")])
            func place(_ path: String) throws -> String {
                try layout.place(of: Array(path.utf8)).text
            }
            let copy = scratch.file("copy")
            #expect(try place("base/5/1") == copy + "/base/5/1")
            #expect(try place("pg_tblspc/16400/PG_18/1") == copy + ".tablespaces/16400/PG_18/1")
            #expect(try place("pg_tblspc/16401/PG_18/1") == scratch.file("own/PG_18/1"))
            #expect(try place("pg_tblspc/16402/PG_18/1") == copy + "/pg_tblspc/16402/PG_18/1")
            #expect(try place("pg_tblspc/16400") == copy + "/pg_tblspc/16400")
            for path in ["", "/etc/passwd", "a//b", "../x", "a/../../x", "./a", "a/", "a\u{0}b"] {
                #expect(throws: PgkeepError.self, "\(path)") { try place(path) }
            }
        }
    }

    @Test func `a tablespace that is not there or not empty is refused`() throws {
        try ScratchDirectory.with { scratch in
            let unknown = refusal { _ = try self.layout(scratch, mapped: [7: "/x"]) }
            #expect(unknown?.code == .usage && unknown?.hint.contains("16400") == true)
            let full = try scratch.directory("full")
            try FileSystem.writeAtomically(full + "/a", [1])
            let used = refusal { _ = try self.layout(scratch, mapped: [16_400: full]) }
            #expect(used?.code == .targetDirectory)
            let twice = refusal {
                _ = try self.layout(scratch, mapped: [16_400: "/x", 16_401: "/x"])
            }
            #expect(twice?.code == .usage)
        }
    }

    private func layout(_ scratch: ScratchDirectory, mapped: [UInt32: String]) throws
        -> RestoreLayout
    {
        let time = Timestamp(seconds: 1_767_225_600)
        var point = RecoveryPoint(
            id: PointID(milliseconds: 1, random: (1, 1)),
            instance: try InstanceName(checking: "main"),
            systemIdentifier: SystemIdentifier(1),
            startedAt: time,
            finishedAt: time,
            consistentAt: time,
            startLSN: LSN(0x28),
            stopLSN: LSN(0x100),
            timeline: 1,
            serverVersion: ServerVersion(number: 180_000)
        )
        point.tablespaces = [
            RecoveryPoint.Tablespace(oid: 16_400, path: "/srv/a"),
            RecoveryPoint.Tablespace(oid: 16_401, path: "/srv/b"),
            RecoveryPoint.Tablespace(oid: 16_402, path: "pg_tblspc/16402"),
        ]
        var options = RestoreOptions(
            directory: scratch.file("copy"),
            spec: RecoveryTargetSpec(.latest),
            program: "/bin/true",
            vaultLocation: scratch.file("vault")
        )
        options.tablespaces = mapped
        return try RestoreLayout(point, options)
    }

    // MARK: Configuration

    private func places(
        _ files: [(SourceConfiguration.Role, String)],
        present: Set<String> = []
    ) -> ConfigurationPlaces {
        let attachments = files.map { role, path in
            Attachment(name: ConfigurationPlaces.attachmentName(role, path), kind: .configuration)
        }
        return ConfigurationPlaces(attachments, present: present)
    }

    @Test func `captured files keep their places below the main one, others go aside`() {
        let places = places(
            [
                (.main, "/etc/pg/postgresql.conf"), (.hostAccess, "/etc/pg/hba"),
                (.included, "/etc/pg/conf.d/a.conf"), (.included, "/srv/b.conf"),
                (.included, "/etc/pg/base/c.conf"), (.included, "/etc/pg/../../../x/d.conf"),
            ],
            present: ["base"]
        )
        #expect(
            places.files.map(\.name) == [
                "postgresql.conf", "pg_hba.conf", "conf.d/a.conf", "pgkeep-included/srv/b.conf",
                "pgkeep-included/etc/pg/base/c.conf", "pgkeep-included/x/d.conf",
            ]
        )
    }

    @Test func `lines name the files' new places, and places that are not there are not named`() {
        var places = places([
            (.main, "/etc/pg/postgresql.conf"), (.included, "/etc/pg/conf.d/a.conf"),
            (.included, "/srv/b.conf"), (.included, "/srv/d/c.conf"),
        ])
        func adapted(_ line: String, in name: String = "postgresql.conf") -> String? {
            let text = places.adapted(
                Array(line.utf8),
                source: name == "postgresql.conf" ? "/etc/pg/postgresql.conf" : "/etc/pg/" + name,
                name: name,
                isThere: { $0 == "there.conf" }
            )
            let key = String(line.prefix { $0 != " " })
            return ConfigurationText.value(of: key, in: text)
        }
        #expect(adapted("include_dir = 'conf.d'") == "conf.d")
        #expect(adapted("include_dir = '/etc/pg/conf.d'") == "conf.d")
        #expect(adapted("include_dir = '/srv/d'") == "pgkeep-included/srv/d")
        #expect(adapted("include '/srv/b.conf'") == "pgkeep-included/srv/b.conf")
        #expect(adapted("include '../../srv/b.conf'") == "pgkeep-included/srv/b.conf")
        #expect(
            adapted("include '/srv/b.conf'", in: "conf.d/a.conf")
                == "../pgkeep-included/srv/b.conf"
        )
        #expect(adapted("include 'there.conf'") == "there.conf")
        #expect(adapted("include 'gone.conf'") == nil)
        #expect(adapted("include_if_exists '/srv/gone.conf'") == nil)
        #expect(adapted("include_dir 'empty.d'") == "empty.d")
        #expect(adapted("hba_file = '/etc/pg/hba'") == nil)
        #expect(adapted("recovery_target_lsn = '0/1'") == nil)
        #expect(adapted("work_mem = '4MB'") == "4MB")
        #expect(places.missing == ["gone.conf"])
        #expect(places.directories == ["empty.d"])
    }
}
