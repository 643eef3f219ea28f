public import Domain
internal import Platform

/// Opens and decompresses the frames of one object, straight into the caller's memory.
///
/// Nothing is given out before its tag has been verified: when `open` throws, `output` holds
/// zeros where it was touched. One cipher context and one scratch buffer are reused: not thread
/// safe, one for each object and thread.
public final class FrameOpener {
    private let gcm: GCM
    private let compressor: any BlockCompressor = LZ4Compressor()
    // 64 bytes object header, 16 bytes frame header, 12 bytes nonce.
    private let scratch: UnsafeMutableRawBufferPointer
    // Holds the compressed bytes between opening and decompressing; grows to the largest frame.
    private var block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)

    private static let nonceOffset = Frame.objectHeaderBytes + Frame.headerBytes

    /// An opener for the object whose clear header is `header` (64 bytes).
    public init(key: ObjectKey, header: [UInt8]) {
        precondition(header.count == Frame.objectHeaderBytes)
        gcm = GCM(key: key.secret, .open)
        scratch = .allocate(byteCount: Self.nonceOffset + GCM.nonceBytes, alignment: 16)
        scratch.initializeMemory(as: UInt8.self, repeating: 0)
        scratch.copyBytes(from: header)
    }

    deinit {
        scratch.deallocate()
        block.deallocate()
    }

    /// Opens `frame` (header, ciphertext and tag, exactly) to the front of `output`; returns its
    /// header, whose `rawBytes` says how much was written.
    ///
    /// Throws `.integrity` when anything about the frame is not as it was sealed, its number is
    /// another than `expectNumber`, or `output` is too small for it; `.vaultVersion` when a true
    /// frame uses a codec of a later version. The caller adds the object's name.
    public func open(
        _ frame: UnsafeRawBufferPointer,
        expectNumber number: UInt32,
        into output: UnsafeMutableRawBufferPointer
    ) throws(PgkeepError) -> FrameHeader {
        guard let header = FrameHeader(frame) else {
            throw Self.damaged(number, "its header is malformed")
        }
        guard header.number == number else {
            throw Self.damaged(number, "frame \(header.number) is in its place")
        }
        guard frame.count == header.frameBytes else {
            throw Self.damaged(number, "it has \(frame.count) bytes, not \(header.frameBytes)")
        }
        guard Int(header.rawBytes) <= output.count else {
            throw Self.damaged(number, "\(header.rawBytes) bytes are more than \(output.count)")
        }
        let raw = UnsafeMutableRawBufferPointer(rebasing: output[..<Int(header.rawBytes)])
        if header.codec == Codec.raw.rawValue {
            guard header.storedBytes == header.rawBytes else {
                throw Self.damaged(number, "its lengths disagree")
            }
            try unseal(frame, header, to: raw)
            return header
        }
        if block.count < Int(header.storedBytes) {
            block.deallocate()
            block = .allocate(byteCount: Int(header.storedBytes), alignment: 16)
        }
        let stored = UnsafeMutableRawBufferPointer(rebasing: block[..<Int(header.storedBytes)])
        try unseal(frame, header, to: stored)
        guard header.codec == compressor.codec.rawValue else {
            throw PgkeepError(
                .vaultVersion,
                "frame \(number) uses codec \(header.codec), unknown to this version",
                hint: "use the version of pgkeep that wrote it, or a newer one"
            )
        }
        guard compressor.decompress(UnsafeRawBufferPointer(stored), into: raw) else {
            wipe(raw)
            throw Self.damaged(number, "its content does not decompress")
        }
        return header
    }

    private func unseal(
        _ frame: UnsafeRawBufferPointer,
        _ header: FrameHeader,
        to output: UnsafeMutableRawBufferPointer
    ) throws(PgkeepError) {
        UnsafeMutableRawBufferPointer(rebasing: scratch[Frame.objectHeaderBytes...])
            .copyBytes(from: frame[..<Frame.headerBytes])
        guard let base = frame.baseAddress, let place = scratch.baseAddress else {
            preconditionFailure("no memory")
        }
        Frame.setNonce(place + Self.nonceOffset, number: header.number)
        let end = Frame.headerBytes + Int(header.storedBytes)
        let opened = gcm.open(
            nonce: place + Self.nonceOffset,
            associated: UnsafeRawBufferPointer(rebasing: scratch[..<Self.nonceOffset]),
            UnsafeRawBufferPointer(rebasing: frame[Frame.headerBytes..<end]),
            to: output.baseAddress,
            tag: base + end
        )
        guard opened else {
            wipe(output)
            throw Self.damaged(header.number, "its seal is broken")
        }
    }

    private static func damaged(_ number: UInt32, _ reason: String) -> PgkeepError {
        PgkeepError(
            .integrity,
            "frame \(number): \(reason)",
            hint: "run pgkeep vault check to see what else is affected"
        )
    }
}
