internal import CPostgres
internal import Domain

/// libpq, which is loaded when a server is first spoken to.
enum Libpq {
    /// Makes sure that it is there. Throws `.unexpected` when this host lacks it.
    static func load() throws(PgkeepError) {
        guard let reason = pgkeep_libpq_load() else { return }
        throw PgkeepError(
            .unexpected,
            "PostgreSQL's client library cannot be loaded: \(String(cString: reason))",
            hint: "install it, for example: apt-get install libpq5"
        )
    }
}
