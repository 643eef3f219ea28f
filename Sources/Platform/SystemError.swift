public import Domain
public import Glibc

extension PgkeepError {
    /// The failure of the system call `call` on `subject`, read from `errno` unless given.
    ///
    /// A full disk and a missing permission get their own hints, since they are what operators
    /// meet.
    public static func system(
        _ call: String,
        _ subject: String,
        errno number: Int32 = Glibc.errno,
        code: ErrorCode = .system
    ) -> PgkeepError {
        let reason = String(cString: strerror(number))
        let hint =
            switch number {
            case ENOSPC, EDQUOT: "free space on that file system, then run the command again"
            case EACCES, EPERM: "run as the user that owns it, or correct its permissions"
            case EROFS: "mount the file system read-write"
            default: ""
            }
        return PgkeepError(
            number == ENOSPC || number == EDQUOT ? .storeFull : code,
            "\(call) \(subject): \(reason)",
            hint: hint,
            cause: SystemErrorNumber(number)
        )
    }

    /// The `errno` of the failed system call beneath this error, if one is.
    public var systemNumber: Int32? {
        if let number = cause as? SystemErrorNumber { return number.rawValue }
        return (cause as? PgkeepError)?.systemNumber
    }
}

/// The bare `errno` kept as the cause of a system error; it prints as nothing much, since the
/// message already says it in words.
public struct SystemErrorNumber: Error, CustomStringConvertible {
    /// The value of `errno`.
    public let rawValue: Int32

    init(_ rawValue: Int32) { self.rawValue = rawValue }

    /// `errno N`.
    public var description: String { "errno \(rawValue)" }
}
