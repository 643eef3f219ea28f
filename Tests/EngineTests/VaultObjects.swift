import Domain
import Platform
import TestSupport

/// The files of a vault, and ways to damage one of them and make it whole again.
struct VaultObjects {
    /// What befalls an object.
    enum Damage: CustomStringConvertible {
        /// One bit of the byte at this offset.
        case flipped(UInt64)
        /// The end is cut off, this many bytes are left.
        case truncated(UInt64)
        case missing
        /// It and another object have changed places.
        case swapped(String)

        var description: String {
            switch self {
            case .flipped(let offset): "with byte \(offset) flipped"
            case .truncated(let size): "cut to \(size) bytes"
            case .missing: "missing"
            case .swapped(let other): "swapped with \(other)"
            }
        }
    }

    /// The vault's directory.
    let vault: String

    /// All objects' names, sorted. Files that are no objects are left out.
    func names() throws -> [String] {
        func list(_ directory: String) throws -> [String] {
            try (FileSystem.list("\(vault)/\(directory)") ?? []).flatMap { name in
                let path = directory.isEmpty ? name : "\(directory)/\(name)"
                let isDirectory = try FileSystem.info("\(vault)/\(path)")?.kind == .directory
                return try isDirectory ? list(path) : [path]
            }
        }
        return try list("").filter { !$0.hasPrefix("tmp/") && $0 != "reserve" }
    }

    /// The length of an object.
    func size(_ name: String) throws -> UInt64 {
        try FileSystem.info("\(vault)/\(name)")?.size ?? 0
    }

    /// When an object was written last; nil when it is gone.
    func modified(_ name: String) throws -> Timestamp? {
        try FileSystem.info("\(vault)/\(name)")?.modified
    }

    /// Runs `body` while `damage` is done to an object, and undoes it.
    func with<Result>(
        _ damage: Damage,
        of name: String,
        _ body: () throws -> Result
    ) throws -> Result {
        let path = "\(vault)/\(name)"
        let aside = "\(vault).aside"
        switch damage {
        case .missing:
            try FileSystem.rename(path, to: aside)
            defer {
                // Ending sessions remove directories that have become empty.
                let parent = FileSystem.parent(of: path) ?? "/"
                try? FileSystem.makeDirectories(parent)
                try? ServerUser.own(parent)
                try? FileSystem.rename(aside, to: path)
            }
            return try body()
        case .swapped(let other):
            func swap() throws {
                try FileSystem.rename(path, to: aside)
                try FileSystem.rename("\(vault)/\(other)", to: path)
                try FileSystem.rename(aside, to: "\(vault)/\(other)")
            }
            try swap()
            defer { try? swap() }
            return try body()
        case .truncated(let size):
            let bytes = try FileSystem.readFile(path)
            let file = try File(path, .update)
            try file.truncate(to: size)
            defer { bytes.withUnsafeBytes { try? file.write($0, at: 0) } }
            return try body()
        case .flipped(let offset):
            let file = try File(path, .update)
            func flip() throws {
                var byte: [UInt8] = [0]
                _ = try byte.withUnsafeMutableBytes { try file.read(into: $0, at: offset) }
                byte[0] ^= 1 << UInt8(offset % 8)
                try byte.withUnsafeBytes { try file.write($0, at: offset) }
            }
            try flip()
            defer { try? flip() }
            return try body()
        }
    }
}
