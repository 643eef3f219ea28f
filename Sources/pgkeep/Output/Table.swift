/// Columns of text under a heading, as wide as their widest cell.
struct Table {
    private var rows: [[String]]
    private let rightAligned: Set<Int>

    /// A table with a heading; `numbers` are the columns that are aligned at their right edge.
    init(_ heading: [String], numbers: Set<Int> = []) {
        rows = [heading]
        rightAligned = numbers
    }

    mutating func add(_ cells: [String]) {
        precondition(cells.count == rows[0].count)
        rows.append(cells)
    }

    var lines: [String] {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let gap = String(repeating: " ", count: widths[column] - cell.count)
                line += rightAligned.contains(column) ? gap + cell : cell + gap
                line += "  "
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}

/// Names and values in two columns.
struct Facts {
    private var pairs: [(name: String, value: String)] = []

    /// Adds a line; nothing for a value that is not known.
    mutating func add(_ name: String, _ value: String?) {
        if let value { pairs.append((name, value)) }
    }

    var lines: [String] {
        let width = pairs.map(\.name.count).max() ?? 0
        return pairs.map { pair in
            pair.name + String(repeating: " ", count: width - pair.name.count + 2) + pair.value
        }
    }
}
