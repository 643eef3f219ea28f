import Domain
import Platform
import Storage

/// A pack's frames, and which of them holds which pages.
final class PackLayout: Sendable {
    let object: SealedObject
    /// Frames that hold pages, in order.
    let pageFrames: [UInt32]
    /// The number of the first page in each of them, and at the end the number of all pages.
    let firstPages: [UInt32]

    init(_ object: SealedObject) throws {
        self.object = object
        var frames: [UInt32] = []
        var firsts: [UInt32] = [0]
        for (number, frame) in object.directory.frames.enumerated() where frame.kind == .pages {
            let bytes = Int(frame.rawBytes)
            guard bytes > 0, bytes <= VaultFormat.pageFrameBytes,
                bytes.isMultiple(of: VaultFormat.pageBytes)
            else { throw PgkeepError.damaged(object.location, "frame \(number) has odd pages") }
            frames.append(UInt32(number))
            firsts.append((firsts.last ?? 0) + UInt32(bytes / VaultFormat.pageBytes))
        }
        pageFrames = frames
        firstPages = firsts
    }

    var pages: UInt32 { firstPages.last ?? 0 }

    /// The position in `pageFrames` of the frame holding `page`, which must exist.
    func position(of page: UInt32) -> Int {
        // Nearly all frames hold 16 pages, so the guess is nearly always right.
        var low = 0
        var high = pageFrames.count
        let guess = Int(page) / VaultFormat.framePages
        if guess < high, firstPages[guess] <= page, page < firstPages[guess + 1] { return guess }
        while high - low > 1 {
            let middle = (low + high) / 2
            if firstPages[middle] <= page { low = middle } else { high = middle }
        }
        return low
    }
}

/// The layouts of packs, read once and shared by all threads; at most so many are kept.
final class PackShelf: Sendable {
    private let vault: Vault
    private let system: SystemIdentifier
    private let state = Condition(State())

    private struct State {
        var layouts: [PackID: PackLayout] = [:]
        var order: [PackID] = []
    }

    private static let kept = 256

    init(_ vault: Vault, _ system: SystemIdentifier) {
        self.vault = vault
        self.system = system
    }

    func layout(of pack: PackInfo) throws -> PackLayout {
        if let layout = state.read({ $0.layouts[pack.id] }) { return layout }
        let name = VaultNames.pack(system, pack.id)
        let object = try SealedObjectReader(vault, name, kinds: [.pack], system: system).object
        let layout = try PackLayout(object)
        guard object.size == pack.size, layout.pages == pack.pages else {
            throw PgkeepError.damaged(name, "it is not the pack the recovery point was made with")
        }
        state.change { state in
            if state.layouts.updateValue(layout, forKey: pack.id) == nil {
                state.order.append(pack.id)
            }
            if state.order.count > Self.kept {
                state.layouts[state.order.removeFirst()] = nil
            }
        }
        return layout
    }
}
