"""Makes tables of what was measured, and judges it."""

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
    """What Parvis is compared with, and how that is called: the peers of the distribution first."""
    if "before" in names:
        return [("before", ["before"])]
    peers = [("better of nginx and HAProxy", ["nginx", "HAProxy"]), ("HAProxy (own build)", ["HAProxy (own build)"])]
    return [(title, others) for title, others in peers if set(others) & set(names)]


def cpu_table(results, names):
    """CPU time of every case: `results` by case, by program, by round."""
    pairs = compared(names) if "Parvis" in names else []
    judged = bool(pairs) and pairs[0][0] != "before"
    columns = ["work", *names, *(f"Parvis / {title}" for title, _ in pairs), *(["at most / aim", "verdict"] if judged else [])]
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    lines += [cpu_row(case, measured, names, pairs, judged) for case, measured in results]
    return lines


def cpu_row(case, measured, names, pairs, judged):
    cells = [case.name + (" (s per GB)" if case.bulk else "")]
    for name in names:
        values = [case.unit(one["cpu"]) for one in measured.get(name, [])]
        cells.append(spread(values, 2 if case.bulk else 1) if values else "")
    all_ratios = [ratios(measured, "Parvis", others) for _, others in pairs]
    cells += [spread(values, 2) if values else "" for values in all_ratios]
    if judged:
        judgement = verdict(statistics.median(all_ratios[0]), case.at_most, case.aim) if all_ratios[0] else ""
        cells += [f"{case.at_most:.2f} / {case.aim:.2f}", judgement]
    return "| " + " | ".join(cells) + " |"


def delay_table(results, names):
    """How long answers took, from when their requests were due."""
    lines = ["| work | answers/s | " + " | ".join(names) + " |", "|---|---" + "|---" * len(names) + "|"]
    for case, measured in results:
        cells = []
        for name in names:
            rounds = measured.get(name, [])
            middle = {figure: statistics.median(one[figure] for one in rounds) for figure in ("p50", "p99")} if rounds else {}
            cells.append(f"{middle['p50']:,.0f} / {middle['p99']:,.0f}" if middle else "")
        rates = [statistics.median(one["rate"] for one in rounds) for name, rounds in measured.items() if name != "Caddy"]
        lines.append(f"| {case.name} | {min(rates):,.0f} | " + " | ".join(cells) + " |")
    return lines


def resident_table(results, names):
    lines = ["| MB resident after | " + " | ".join(names) + " |", "|---" + "|---" * len(names) + "|"]
    for case, measured in results:
        cells = (f"{measured[name][-1]['resident'] / 1e6:,.0f}" if name in measured else "" for name in names)
        lines.append(f"| {case.name} | " + " | ".join(cells) + " |")
    return lines


def idle_table(results, names):
    """`results`: of each case and number of connections, the bytes by program."""
    lines = ["| bytes each of | " + " | ".join(names) + " | at most / aim | verdict |", "|---" * (len(names) + 3) + "|"]
    for case, count, measured in results:
        cells = (f"{measured[name]:,.0f}" if name in measured else "" for name in names)
        judgement = verdict(measured["Parvis"], case.at_most, case.aim) if "Parvis" in measured else ""
        lines.append(f"| {count:,} {case.name} | " + " | ".join(cells)
                     + f" | {case.at_most:,} / {case.aim:,} | {judgement} |")
    return lines


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
