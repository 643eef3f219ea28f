import Domain

/// A root's frames: info, pack table, catalog index.
enum RootCodec {
    typealias Frames = [(kind: FrameKind, bytes: [UInt8])]

    private static let packBytes = 76

    // MARK: Writing

    static func encode(_ root: PointRoot) throws -> Frames {
        let positions = Dictionary(
            uniqueKeysWithValues: root.packs.enumerated().map { ($1.info.id, UInt32($0)) }
        )
        func position(_ pack: PackID) -> UInt32 {
            guard let found = positions[pack] else {
                preconditionFailure("a frame in a pack the root does not list")
            }
            return found
        }
        let info = RootInfo(
            point: root.point,
            parentRoot: root.parentRoot.map(Hex.text),
            packs: root.packs.count,
            entries: root.entries,
            catalogFrames: root.catalog.count,
            attachments: root.attachments.map { attachment in
                RootInfo.AttachmentInfo(
                    name: attachment.name,
                    kind: attachment.kind,
                    size: attachment.size,
                    mode: attachment.mode,
                    crc32c: attachment.crc32c,
                    frames: attachment.frames.flatMap {
                        [position($0.pack), $0.frame, $0.offset, $0.bytes, $0.rawBytes]
                    }
                )
            }
        )
        let index = root.catalog.map { frame in
            var writer = ByteWriter()
            writer.appendVarint(UInt64(position(frame.place.pack)))
            writer.appendVarint(UInt64(frame.place.frame))
            writer.appendVarint(UInt64(frame.place.offset))
            writer.appendVarint(UInt64(frame.place.bytes))
            writer.appendVarint(UInt64(frame.entries))
            writer.appendVarint(UInt64(frame.firstPath.count))
            writer.append(frame.firstPath)
            return writer.bytes
        }
        return [(.info, try ControlJSON.encode(info))]
            + table(.packTable, root.packs.map(encode)) + table(.catalogIndex, index)
    }

    /// Cuts a table into frames at entry boundaries.
    private static func table(_ kind: FrameKind, _ entries: [[UInt8]]) -> Frames {
        var frames: Frames = []
        var block: [UInt8] = []
        for entry in entries {
            if block.count + entry.count > VaultFormat.tableFrameBytes {
                frames.append((kind, block))
                block = []
            }
            block += entry
        }
        if !block.isEmpty { frames.append((kind, block)) }
        return frames
    }

    private static func encode(_ pack: PointRoot.Pack) -> [UInt8] {
        var writer = ByteWriter(capacity: packBytes)
        writer.append(pack.info.id.session.bytes)
        writer.append(pack.info.id.number)
        writer.append(pack.info.size)
        writer.append(pack.info.directoryOffset)
        writer.append(pack.info.pages)
        writer.append(pack.info.metaBytes)
        writer.append(pack.livePages)
        writer.append(pack.liveMetaBytes)
        writer.append(pack.info.digest)
        return writer.bytes
    }

    // MARK: Reading

    static func decode(_ frames: Frames, _ subject: String) throws -> PointRoot {
        guard let first = frames.first, first.kind == .info else {
            throw PgkeepError(.integrity, "\(subject) has no info")
        }
        let info = try ControlJSON.decode(RootInfo.self, first.bytes, subject)
        var packs: [PointRoot.Pack] = []
        var catalog: [CatalogFrame] = []
        for frame in frames.dropFirst() {
            try frame.bytes.withUnsafeBytes { bytes in
                var reader = ByteReader(bytes, subject)
                while reader.remaining > 0 {
                    switch frame.kind {
                    case .packTable: packs.append(try pack(&reader))
                    case .catalogIndex: catalog.append(try catalogFrame(&reader, packs))
                    default: throw PgkeepError.newerFormat(subject)
                    }
                }
            }
        }
        guard packs.count == info.packs, catalog.count == info.catalogFrames,
            catalog.reduce(0, { $0 + UInt64($1.entries) }) == info.entries
        else { throw PgkeepError(.integrity, "\(subject) contradicts itself") }
        return PointRoot(
            point: info.point,
            parentRoot: info.parentRoot.flatMap(Hex.bytes),
            packs: packs,
            attachments: try info.attachments.map { try attachment($0, packs, subject) },
            entries: info.entries,
            catalog: catalog
        )
    }

    private static func attachment(
        _ info: RootInfo.AttachmentInfo,
        _ packs: [PointRoot.Pack],
        _ subject: String
    ) throws -> Attachment {
        var frames: [FrameRef] = []
        for start in stride(from: 0, to: info.frames.count, by: 5) {
            guard info.frames.count - start >= 5, Int(info.frames[start]) < packs.count else {
                throw PgkeepError(.integrity, "\(subject) contradicts itself")
            }
            frames.append(
                FrameRef(
                    pack: packs[Int(info.frames[start])].info.id,
                    frame: info.frames[start + 1],
                    offset: info.frames[start + 2],
                    bytes: info.frames[start + 3],
                    rawBytes: info.frames[start + 4]
                )
            )
        }
        return Attachment(
            name: info.name,
            kind: info.kind,
            mode: info.mode,
            size: info.size,
            crc32c: info.crc32c,
            frames: frames
        )
    }

    private static func pack(_ reader: inout ByteReader) throws -> PointRoot.Pack {
        let id = try reader.pack()
        let size = try reader.number(UInt64.self)
        let directoryOffset = try reader.number(UInt64.self)
        let pages = try reader.number(UInt32.self)
        let metaBytes = try reader.number(UInt64.self)
        let livePages = try reader.number(UInt32.self)
        let liveMetaBytes = try reader.number(UInt64.self)
        let digest = try reader.bytes(16)
        return PointRoot.Pack(
            info: PackInfo(
                id: id,
                size: size,
                directoryOffset: directoryOffset,
                pages: pages,
                metaBytes: metaBytes,
                digest: digest
            ),
            livePages: livePages,
            liveMetaBytes: liveMetaBytes
        )
    }

    private static func catalogFrame(
        _ reader: inout ByteReader,
        _ packs: [PointRoot.Pack]
    ) throws -> CatalogFrame {
        let position = try reader.varint()
        guard position < UInt64(packs.count) else {
            throw reader.malformed("no pack \(position)")
        }
        let limit = UInt64(UInt32.max)
        let place = FrameRef(
            pack: packs[Int(position)].info.id,
            frame: UInt32(try reader.varint(max: limit)),
            offset: UInt32(try reader.varint(max: limit)),
            bytes: UInt32(try reader.varint(max: limit)),
            rawBytes: 0
        )
        let entries = UInt32(try reader.varint(max: limit))
        let length = try reader.varint(max: UInt64(VaultFormat.pathBytesMax))
        return CatalogFrame(
            place: place,
            entries: entries,
            firstPath: try reader.bytes(length)
        )
    }
}

/// Lower-case hexadecimal digits of bytes.
enum Hex {
    static func text(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(
            decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] },
            as: UTF8.self
        )
    }

    static func bytes(_ text: String) -> [UInt8]? {
        let digits = text.utf8.map { Character(UnicodeScalar($0)).hexDigitValue }
        guard digits.count.isMultiple(of: 2), digits.allSatisfy({ $0 != nil }) else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map {
            UInt8((digits[$0] ?? 0) << 4 | (digits[$0 + 1] ?? 0))
        }
    }
}
