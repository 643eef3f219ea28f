"""Medians, tables and ratios as they are printed."""

import statistics
import sys

MIB = 1 << 20


def median(results):
    return {key: statistics.median(result[key] for result in results) for key in results[0]}


def rotated(items, by):
    by %= len(items)
    return items[by:] + items[:by]


def table(title, rows, stored, targets):
    """rows: [(name, cost)]; targets: [(peer's name, limit of pgkeep's wall time)]."""
    print(f"\n{title}")
    print(f"  {'':32} {'wall s':>8} {'CPU s':>8} {'RSS MiB':>8} {stored:>12}")
    for name, cost in rows:
        print(f"  {name:32} {cost['wall']:8.2f} {cost['cpu']:8.2f} {cost['rss'] / MIB:8.0f} "
              f"{cost['stored'] / MIB:12.1f}")
    costs = dict(rows)
    own = next((cost for name, cost in rows if name.startswith("pgkeep")), None)
    if own is None:
        return
    for peer, limit in targets:
        if peer in costs:
            ratio(f"wall time, pgkeep / {peer}", own["wall"] / costs[peer]["wall"], limit)
    ratio("peak RSS of pgkeep, MiB", own["rss"] / MIB, 256)


def ratio(name, value, limit):
    if limit is None:
        print(f"    {name}: {value:.2f}")
    else:
        verdict = "reached" if value <= limit else "MISSED"
        print(f"    {name}: {value:.2f}, target {limit:g}: {verdict}")
    sys.stdout.flush()
