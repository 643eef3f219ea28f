import Postgres
import Testing

/// Lines of postgresql.conf as PostgreSQL reads them, and corrected without touching others.
@Suite struct ConfigurationTextTests {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test(arguments: [
        ("port = 5433", "5433"), ("port=5433", "5433"), ("  Port\t5433 # why", "5433"),
        ("port '5433'", "5433"), ("port = '54''33'", "54'33"), (#"port = '54\'33'"#, "54'33"),
        (#"port = 'a\\b\nc'"#, "a\\b\nc"), ("port = 1\nport = 2", "2"), ("port = 5433\r\n", "5433"),
        ("#port = 1\nport = ''", ""), ("port = 'a # b' # c", "a # b"), ("PORT = on;", "on;"),
    ])
    func `a value is read as the server reads it`(text: String, value: String) {
        #expect(ConfigurationText.value(of: "port", in: bytes(text)) == value)
    }

    @Test func `what is no setting has no value`() {
        for text in ["", "# port = 1", "port_x = 1", "x.port = 1", "= 1", "'port' = 1"] {
            #expect(ConfigurationText.value(of: "port", in: bytes(text)) == nil, "\(text)")
        }
        #expect(ConfigurationText.value(of: "my.port", in: bytes("my.port = 1")) == "1")
    }

    @Test func `only the lines meant are changed, whatever bytes the others hold`() {
        let text = bytes("a = 1 # ") + [0xe9, 0xff] + bytes("\r\nb = 2\r\n\tB '3'\nc = 4\n\n")
        let changed = ConfigurationText.changing(text) { name, value in
            switch (name, value) {
            case ("b", "2"): .disable(why: "x")
            case ("b", "3"): .replace(value: "it's", why: "y")
            default: .keep
            }
        }
        let expected =
            bytes("a = 1 # ") + [0xe9, 0xff]
            + bytes("\r\n#b = 2   # x\n#\tB '3'   # y\nb = 'it''s'\nc = 4\n\n")
        #expect(changed == expected)
        #expect(ConfigurationText.value(of: "b", in: changed) == "it's")
    }

    @Test func `values and words survive quoting`() {
        for value in ["", "plain", "it's", #"a\b"#, "two\nlines", "%p \"$HOME\" `x`"] {
            let line = "port = " + ConfigurationText.quoted(value)
            #expect(ConfigurationText.value(of: "port", in: bytes(line)) == value)
        }
        #expect(ConfigurationText.shellWord("it's $1") == #"'it'\''s $1'"#)
    }
}
