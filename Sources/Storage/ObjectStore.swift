public import Domain

/// What a store says about one object.
public struct ObjectInfo: Hashable, Sendable {
    /// Its name.
    public let name: ObjectName
    /// Its length in bytes; of a growing object, the length right now.
    public let size: UInt64
    /// When its content last changed, by the store's clock.
    public let modified: Timestamp

    /// The facts about an object.
    public init(name: ObjectName, size: UInt64, modified: Timestamp) {
        self.name = name
        self.size = size
        self.modified = modified
    }
}

/// How much room a store has.
public struct StoreSpace: Hashable, Sendable {
    /// Bytes that can still be written.
    public let freeBytes: UInt64
    /// Bytes in all.
    public let totalBytes: UInt64

    /// Room of a store.
    public init(freeBytes: UInt64, totalBytes: UInt64) {
        self.freeBytes = freeBytes
        self.totalBytes = totalBytes
    }
}

/// Named objects of bytes with an atomic create: all that a vault asks of its storage.
///
/// **Consistency.** What a call has changed is seen by every later call of any process on any host.
/// **Durability.** When a call returns, its effect survives a power cut; the one exception is
/// `ObjectWriter.append`, which is durable after `sync` or `publish`. **Atomicity.** `put`,
/// `putIfAbsent` and `publish` show all bytes or none. When one of them throws, the effect is
/// unknown (the acknowledgement may be lost): look, or repeat a `putIfAbsent` and compare the
/// bytes. **Errors** are `PgkeepError`: `.storeUnreachable` when the store is gone or fails (a lost
/// root is never taken for an empty one), `.storeFull`, and those named below. All calls block and
/// may come from any number of threads.
public protocol ObjectStore: AnyObject, Sendable {
    /// Where the store is, for messages: a path or URL without secrets.
    var location: String { get }

    /// Creates or replaces an object.
    func put(_ name: ObjectName, _ bytes: [UInt8]) throws

    /// Creates an object unless the name is taken. True: these bytes are the object now. False:
    /// another object was there (it is durable as well), nothing has changed. Of any number of
    /// racing calls exactly one is true.
    func putIfAbsent(_ name: ObjectName, _ bytes: [UInt8]) throws -> Bool

    /// All bytes of an object. Throws `.notFound` when it is certainly absent.
    func get(_ name: ObjectName) throws -> [UInt8]

    /// Fills `output`, which is as long as `range`, with that part of an object. Throws `.notFound`
    /// when the object is certainly absent, `.integrity` when it ends before the range does.
    func get(
        _ name: ObjectName,
        range: Range<UInt64>,
        into output: UnsafeMutableRawBufferPointer
    ) throws

    /// The facts about an object, or nil when it is certainly absent.
    func head(_ name: ObjectName) throws -> ObjectInfo?

    /// All objects whose names begin with `prefix` (any text, not only whole segments; empty for
    /// all), in byte order of their names. Objects that come or go meanwhile may or may not be
    /// listed; all others are.
    func list(prefix: String) throws -> [ObjectInfo]

    /// Removes an object; an absent one is no error.
    func delete(_ name: ObjectName) throws

    /// Begins an object that is written in pieces.
    ///
    /// With `visible` it appears under `name` at once, empty, and its growing bytes can be read
    /// there by others; it stays there until it is published under another name or discarded, also
    /// after a crash. Throws `.exists` when the name is taken. Without `visible` nobody sees it
    /// before `publish`, `name` is only for messages, and a crash leaves nothing that `list` shows.
    func create(_ name: ObjectName, visible: Bool) throws -> any ObjectWriter

    /// The room left, or nil when the store cannot tell.
    func space() throws -> StoreSpace?

    /// Gives up the space a store keeps in reserve, so that deleting works on a full disk. False
    /// when nothing was reserved.
    func releaseReserve() throws -> Bool

    /// Takes the reserve again when there is room for it; does nothing otherwise.
    func restoreReserve() throws

    /// Removes what crashed writers left unpublished before `moment`; returns how many pieces.
    func removeLeftovers(before moment: Timestamp) throws -> Int
}

extension ObjectStore {
    /// No reserve by default.
    public func releaseReserve() throws -> Bool { false }

    /// No reserve by default.
    public func restoreReserve() throws {}

    /// Nothing is left behind by default.
    public func removeLeftovers(before moment: Timestamp) throws -> Int { 0 }
}

/// An object being written in pieces, by one thread at a time.
///
/// After any error but `.exists` the writer is dead: what it wrote since the last `sync` is in
/// doubt, so every later call throws the same error again, except `discard`. A hidden writer that
/// is dropped without `publish` takes its bytes along; a visible one leaves them.
public protocol ObjectWriter: AnyObject {
    /// Bytes appended so far.
    var length: UInt64 { get }

    /// Adds bytes at the end; they are only read. Durable after the next `sync` or `publish`.
    func append(_ bytes: UnsafeRawBufferPointer) throws

    /// Makes all bytes so far durable, and with them the visible name if there is one.
    func sync() throws

    /// Makes all bytes durable under `name` unless that is taken; a visible object leaves its first
    /// name. True: done, the writer is finished. False: the name is taken by another object (which
    /// is durable), nothing has changed, and another name may be tried.
    func publish(as name: ObjectName) throws -> Bool

    /// Removes all that was written; the writer is finished. Does nothing after `publish`.
    func discard() throws

    /// Advises that nobody will read soon what is durable, so that the memory which holds it may
    /// serve others. Also after `publish`.
    func releaseCache()
}

extension ObjectWriter {
    /// Nothing is cached by default.
    public func releaseCache() {}
}
