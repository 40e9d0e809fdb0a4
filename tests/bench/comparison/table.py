"""The numbers of all rounds as tables in Markdown: a row for each case, a column for each proxy."""

import statistics

from .cases import CONNECTION, MEMORY, MESSAGE, RATE


def tables(cases, proxies, answers):
    """`answers` has, by case and proxy, a list with the answer of each round, or None."""

    def found(case, proxy):
        return answers.get((case.name, proxy.name), [])

    ratios = [case for case in cases if case.unit in (MESSAGE, CONNECTION)]
    if ratios:
        rows = [[case.label, aim(case), *compared(case, proxies, found)] for case in ratios]
        yield ("CPU time, the median of the rounds. The copy loop's in absolute numbers, the others' "
               "as a multiple of it, and behind that the ratio of the best rounds.")
        yield table(["case", "aim", *(proxy.name for proxy in proxies)], rows)
    rows = []
    for case in cases:
        for unit in (RATE, MEMORY):
            values = [values_of(found(case, proxy), unit) for proxy in proxies]
            if any(values):
                label = "connections a second" if unit == RATE else case.label
                rows.append([label, aim(case), *(plain(unit, column) for column in values)])
    if rows:
        yield "The median of the rounds, in absolute numbers."
        yield table(["", "aim", *(proxy.name for proxy in proxies)], rows)


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def compared(case, proxies, found):
    """The cells of a row: each number against that of the first proxy in the same round."""
    base = found(case, proxies[0])
    for proxy in proxies:
        pairs = [(one[case.unit], other[case.unit])
                 for one, other in zip(found(case, proxy), base) if one and other]
        if not pairs:
            yield "failed"
        elif proxy is proxies[0]:
            yield duration(statistics.median(value for value, _ in pairs))
        else:
            median = statistics.median(value / other for value, other in pairs)
            best = min(value for value, _ in pairs) / min(other for _, other in pairs)
            yield f"{median:.2f}, {best:.2f}"


def values_of(answers, unit):
    return [answer[unit] for answer in answers if answer and unit in answer]


def plain(unit, values):
    if not values:
        return "failed"
    median = statistics.median(values)
    return f"{median:.0f} B" if unit == MEMORY else f"{median:.0f}"


def duration(nanoseconds):
    return f"{nanoseconds:.0f} ns" if nanoseconds < 1000 else f"{nanoseconds / 1000:.1f} µs"


def aim(case):
    if not case.aim:
        return ""
    return f"≤ {case.aim} B" if case.unit == MEMORY else f"≤ {case.aim}"
