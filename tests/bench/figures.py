#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Figures: what scripts/bench prints. As a library, Figures collects and prints them; as a program it passes JSON lines through, or makes
# the table of them for a terminal.
import argparse
import json
import re
import sys


def met(figure):
    """True, False, or None where there is no goal."""
    goal = figure.get("goal")
    match = re.fullmatch(r"(<=|>=|=)?\s*(-?[\d.]+)", str(goal)) if goal is not None else None
    if not match or not isinstance(figure.get("value"), (int, float)):
        return None
    bound, value = float(match[2]), figure["value"]
    return {"<=": value <= bound, ">=": value >= bound, "=": value == bound, None: value == bound}[match[1]]


def show(value):
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def context(figure):
    other = figure.get("with")
    if isinstance(other, dict):
        return ", ".join(f"{key.replace('_', ' ')} {value if key == 'seed' else show(value)}" for key, value in other.items())
    return "" if other is None else str(other)


def table(figures):
    rows = [("figure", "value", "unit", "goal", "", "with")]
    for figure in figures:
        verdict = {True: "met", False: "missed", None: ""}[met(figure)]
        rows.append((figure["figure"], show(figure["value"]), figure.get("unit") or "", str(figure.get("goal") or ""), verdict,
                     context(figure)))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)) + "  " + row[5] for row in rows)


class Figures:
    def __init__(self, form):
        self.form, self.all = form, []

    def add(self, figure, value, unit, goal=None, **context_):
        entry = {"figure": figure, "value": value, "unit": unit, "goal": goal, "with": context_}
        self.take(entry)

    def take(self, entry):
        self.all.append(entry)
        if self.form == "json":
            print(json.dumps(entry), flush=True)
        else:
            print(f"  {entry['figure']} = {show(entry['value'])} {entry.get('unit') or ''}", file=sys.stderr, flush=True)

    def end(self):
        if self.form == "table" and self.all:
            print(table(self.all), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--form", choices=("json", "table"), default="json")
    figures = Figures(parser.parse_args().form)
    for line in sys.stdin:
        try:
            entry = json.loads(line)
        except ValueError:
            print(line, end="", file=sys.stderr)
            continue
        if isinstance(entry, dict) and "figure" in entry:
            figures.take(entry)
    figures.end()
    return 0 if figures.all else 1


if __name__ == "__main__":
    sys.exit(main())
