import Domain
private import Glibc
import Platform

/// Small file systems in memory that can run full; only where the tests may mount.
public enum SmallDisk {
    /// Whether mounting is possible here.
    public static let canMount: Bool = {
        let mounted: Void? = try? ScratchDirectory.with { scratch in
            _ = try make("probe", mebibytes: 1, in: scratch)
        }
        return mounted != nil
    }()

    /// A directory with this much room; unmounted when `scratch` ends.
    public static func make(
        _ name: String,
        mebibytes: Int,
        in scratch: ScratchDirectory
    ) throws -> String {
        let path = try scratch.directory(name)
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(mebibytes)m,mode=0700") == 0 else {
            throw PgkeepError.system("mount", path)
        }
        scratch.atEnd { umount2(path, Int32(MNT_DETACH)) }
        return path
    }

    /// Takes all the room there is with one file.
    public static func fill(_ path: String) throws {
        let file = try File(path, .create(0o600))
        var offset: UInt64 = 0
        for size in [64 << 10, 4096] {
            let block = [UInt8](repeating: 7, count: size)
            while (try? block.withUnsafeBytes { try file.write($0, at: offset) }) != nil {
                offset += UInt64(size)
            }
        }
    }
}
