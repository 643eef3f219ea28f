import Domain
import Platform
import Subprocess
import SystemPackage

/// A process that outlives a drill that is killed, and takes its server and files away then.
///
/// It looks four times a second whether the drill still lives and its directory is still there; it
/// ends as soon as either is gone.
public enum DrillGuard {
    private static let pauseSeconds = 0.25

    /// Watches over the drill in `directory`; returns when it is over and nothing is left of it.
    ///
    /// Throws what keeps the directory from being removed.
    public static func watch(_ directory: String) throws {
        let scratch = DrillScratch(found: directory)
        let token = CancellationToken()
        while scratch.exists {
            if scratch.isForsaken {
                try scratch.remove()
                return
            }
            _ = token.sleep(seconds: pauseSeconds)
        }
    }

    /// Starts a guard of `scratch` as `program drill guard DIRECTORY`, in a session of its own, so
    /// that no signal to ours reaches it. The thread returned ends with it.
    static func start(_ program: String, _ scratch: DrillScratch) -> Thread<Void> {
        Thread("drill guard") {
            try waiting {
                var options = PlatformOptions()
                options.createSession = true
                _ = try await Subprocess.run(
                    .path(FilePath(program)),
                    arguments: ["drill", "guard", scratch.directory],
                    workingDirectory: "/",
                    platformOptions: options,
                    output: .discarded,
                    error: .discarded
                )
            }
        }
    }
}
