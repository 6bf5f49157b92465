"""Makes tables of what was measured, and judges it. `results` are pairs of a case and its rounds by program; `idle` are
triples of a case, a number of connections and the bytes by program."""

import statistics


def spread(values, digits):
    return f"{min(values):,.{digits}f} – **{statistics.median(values):,.{digits}f}** – {max(values):,.{digits}f}"


def verdict(value, at_most, aim):
    return "aim reached" if value <= aim else "holds" if value <= at_most else "missed"


def ratios(measured, own, others):
    """Own CPU time by that of the best of the others, round by round."""
    others = [measured[name] for name in others if name in measured]
    if own not in measured or not others:
        return []
    return [mine["cpu"] / min(one["cpu"] for one in theirs) for mine, *theirs in zip(measured[own], *others)]


def compared(names):
    """What Parvis is compared with, and how that is called."""
    pairs = [("before", ["before"]), ("better of nginx and HAProxy", ["nginx", "HAProxy"]),
             ("HAProxy (own build)", ["HAProxy (own build)"])]
    return [(title, others) for title, others in pairs if "Parvis" in names and set(others) & set(names)]


def table(columns, rows):
    return ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|", *("| " + " | ".join(row) + " |" for row in rows)]


def judgement(results, names):
    """Ratios, and what they must be: aims are of what the distribution has."""
    pairs = compared(names)
    rows = []
    for case, measured in results:
        values = [ratios(measured, "Parvis", others) for _, others in pairs]
        row = [case.name, *(spread(one, 2) if one else "" for one in values)]
        if "before" not in names:
            said = verdict(statistics.median(values[0]), case.at_most, case.aim) if values and values[0] else ""
            row += [f"{case.at_most:.2f}", f"{case.aim:.2f}", said]
        rows.append(row)
    aims = [] if "before" in names else ["at most", "aim", "verdict"]
    return table(["CPU time, ratio", *(f"Parvis / {title}" for title, _ in pairs), *aims], rows) if pairs else []


def costs(results, names):
    rows = []
    for case, measured in results:
        values = ([case.unit(one["cpu"]) for one in measured.get(name, [])] for name in names)
        cells = [spread(one, 2 if case.bulk else 1) if one else "" for one in values]
        rows.append([f"{case.name}, {'s per GB' if case.bulk else 'µs'}", *cells])
    return table(["CPU time", *names], rows)


def delays(results, names):
    """How long answers took, from when their requests were due."""
    def middle(rounds, figure):
        return statistics.median(one[figure] for one in rounds)

    rows = []
    for case, measured in results:
        cells = [f"{middle(measured[name], 'p50'):,.0f} / {middle(measured[name], 'p99'):,.0f}" if name in measured else ""
                 for name in names]
        reached = {name: middle(rounds, "rate") for name, rounds in measured.items()}
        # Whoever is asked less often is told apart.
        apart = [f"{name} {rate:,.0f}" for name, rate in reached.items() if rate < 0.9 * case.rate]
        rest = [rate for rate in reached.values() if rate >= 0.9 * case.rate]
        rows.append([case.name, ", ".join([*([f"{min(rest):,.0f}"] if rest else []), *apart]), *cells])
    return table(["p50 / p99 in µs", "answers/s", *names], rows)


def resident(results, names):
    rows = [[case.name, *(f"{measured[name][-1]['resident'] / 1e6:,.0f}" if name in measured else "" for name in names)]
            for case, measured in results]
    return table(["MB resident after", *names], rows)


def idle_memory(idle, names):
    rows = []
    for case, count, measured in idle:
        said = verdict(measured["Parvis"], case.at_most, case.aim) if "Parvis" in measured else ""
        cells = (f"{measured[name]:,.0f}" if name in measured else "" for name in names)
        rows.append([f"{count:,} {case.name}", *cells, f"{case.at_most:,}", f"{case.aim:,}", said])
    return table(["bytes each of", *names, "at most", "aim", "verdict"], rows)


def strained(results):
    """Where a processor was so busy that its figures say little."""
    lines = []
    for case, measured in results:
        for name, rounds in measured.items():
            for who, part in ((name, "busy"), ("the load", "load busy")):
                share = statistics.median(one[part] for one in rounds)
                if share > 0.85:
                    lines.append(f"{case.name}, {name}: {who} was busy for {share:.0%} of the time.")
    return lines


def progress(case, measured):
    """One line for whoever waits."""
    middles = ", ".join(f"{name} {case.unit(statistics.median(one['cpu'] for one in rounds)):,.2f}"
                        for name, rounds in measured.items())
    return f"{case.name}: {middles}"


def page(about, results, idle, charts=None):
    """All of it, with the charts of a directory where they were drawn."""
    names = about["programs"]
    picture = {chart: [f"![{chart.removesuffix('.svg')}]({charts[1]}/{chart})", ""] for chart in charts[0]} if charts else {}
    lines = [about["told"], "", about["machine"], ""]
    if results:
        lines += [*judgement(results, names), "", *picture.get("ratios.svg", []), *costs(results, names), "",
                  *picture.get("costs.svg", []),
                  "Time to the last byte of an answer, from when its request was due, medians of the rounds:", "",
                  *delays(results, names), "", *resident(results, names), ""]
        lines += [*strained(results), ""] if strained(results) else []
    if idle:
        can = [name for name in names if any(name in measured for _, _, measured in idle)]
        lines += [*idle_memory(idle, can), "", *picture.get("idle.svg", [])]
    return lines[:-1]
