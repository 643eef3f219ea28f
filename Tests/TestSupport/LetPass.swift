import Glibc

/// Lets time pass where the time itself is what a test is about: a crash so long after a commit, a
/// signal at a random moment. Whoever waits for something waits for that instead (`waitUntil`).
public func letPass(seconds: Double) { usleep(UInt32(seconds * 1e6)) }
