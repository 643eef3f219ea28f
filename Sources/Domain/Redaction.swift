/// Takes passwords out of texts that quote a connection string.
///
/// Messages are made without secrets; this is the last line of defence, for what the operator typed
/// on a command line that the parser then quotes, and for what libpq may quote.
public enum Redaction {
    /// The text with `***` where a password was.
    public static func withoutPasswords(_ text: String) -> String {
        text
            // password=word, password='quoted words', sslpassword=…
            .replacing(#/(?i)(password\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s'"&]+)/#) {
                "\($0.output.1)***"
            }
            // scheme://user:password@host
            .replacing(#/(://[^\s:/@]*:)[^\s@]+@/#) { "\($0.output.1)***@" }
    }
}
