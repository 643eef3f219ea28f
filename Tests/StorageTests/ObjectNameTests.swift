import Storage
import Testing

@Suite struct ObjectNameTests {
    @Test(arguments: [
        "a", "vault.json", "c/00f1/wal/00000001/000000010000000000000001.journal.0f", "A/b_c-d.e",
        "c/tmp/reserve", "tmpx", "reserve1/x", String(repeating: "a", count: 200),
    ])
    func `a plain name is accepted`(text: String) {
        #expect(ObjectName(validating: text)?.text == text)
    }

    @Test(arguments: [
        "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/..", ".a", "a/.b", "a b",
        "a\0b", "a\nb", "ä", "a\\b", "a:b", "a*", "~", "tmp", "tmp/a", "reserve", "reserve/a",
        String(repeating: "a", count: 201), String(repeating: "aaaaaaa/", count: 65) + "a",
    ])
    func `a name that could leave the store or confuse it is refused`(text: String) {
        #expect(ObjectName(validating: text) == nil)
    }

    @Test func `names order by bytes and know their last segment`() {
        let names: [ObjectName] = ["a-b", "a.b", "a/b", "a0", "aB", "a_", "ab"]
        #expect(names.shuffled().sorted() == names)
        #expect(ObjectName("c/x/lease").lastSegment == "lease")
        #expect(ObjectName("lease").lastSegment == "lease")
    }
}
