internal import CPostgres
import Domain
internal import Glibc
import Platform

/// A PGresult, freed when it goes.
struct ResultHandle: ~Copyable {
    let raw: OpaquePointer

    init(_ raw: OpaquePointer) { self.raw = raw }

    deinit { PQclear(raw) }

    var answer: ServerAnswer {
        switch PQresultStatus(raw) {
        case PGRES_TUPLES_OK, PGRES_SINGLE_TUPLE: .rows(rows)
        case PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: .complete(String(cString: PQcmdStatus(raw)))
        case PGRES_COPY_OUT: .copyOut
        case PGRES_COPY_IN: .copyIn
        case PGRES_COPY_BOTH: .copyBoth
        default: .failed(PostgresError(raw))
        }
    }

    var columns: [String] {
        (0..<PQnfields(raw)).map { PQfname(raw, $0).map { String(cString: $0) } ?? "" }
    }

    var rows: [[String?]] {
        (0..<PQntuples(raw)).map { row in
            (0..<PQnfields(raw)).map { column in
                bytes(row, column).map { String(decoding: $0, as: UTF8.self) }
            }
        }
    }

    var firstRowBytes: [[UInt8]?] {
        guard PQntuples(raw) > 0 else { return [] }
        return (0..<PQnfields(raw)).map { column in bytes(0, column).map { Array($0) } }
    }

    private func bytes(_ row: Int32, _ column: Int32) -> UnsafeRawBufferPointer? {
        guard PQgetisnull(raw, row, column) == 0 else { return nil }
        return UnsafeRawBufferPointer(
            start: PQgetvalue(raw, row, column),
            count: Int(PQgetlength(raw, row, column))
        )
    }
}

extension PostgresError {
    /// The error in a failed PGresult.
    init(_ result: OpaquePointer) {
        let message = resultField(result, "M")
        self.init(
            sqlstate: resultField(result, "C"),
            message: oneLine(
                message.isEmpty ? String(cString: PQresultErrorMessage(result)) : message
            ),
            detail: oneLine(resultField(result, "D")),
            hint: oneLine(resultField(result, "H"))
        )
    }
}

extension Notice {
    init(_ result: OpaquePointer) {
        self.init(
            severity: resultField(result, "V"),
            sqlstate: resultField(result, "C"),
            message: oneLine(resultField(result, "M"))
        )
    }
}

private func resultField(_ result: OpaquePointer, _ field: Unicode.Scalar) -> String {
    PQresultErrorField(result, Int32(field.value)).map { String(cString: $0) } ?? ""
}
