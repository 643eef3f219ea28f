import FoundationEssentials
import Vaulting

/// The JSON of a lease as its object holds it.
func leaseJSON(_ record: LeaseRecord) throws -> String {
    String(decoding: try JSONEncoder().encode(record), as: UTF8.self)
}
