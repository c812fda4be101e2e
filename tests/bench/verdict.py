"""Medians, ratios and limits of a benchmark, and the page that says them."""

from __future__ import annotations

from statistics import median
from typing import Any

Sample = dict[str, Any]


def judge(samples: dict[str, list[Sample]]) -> dict[str, Any]:
    """`medians`, and `limits`: name, ratio, limit, whether it holds."""
    medians = {name: _medians(taken) for name, taken in samples.items()}
    chromium, joining = medians["chromium"], medians["joining"]
    encoding, passing = medians["encoding"], medians["passthrough"]
    limits = [
        _limit(
            "unit process, memory, to bare Python", encoding["unit.pss_mb"], medians["bare"]["pss_mb"], 1.35
        ),
        _limit("passing media process, memory", passing["media.pss_mb"], chromium["pss_mb"], 0.25),
        _limit("passing media process, CPU", passing["media.cores"], chromium["cores"], 0.6),
        _limit("whole encoding unit, memory", encoding["pss_mb"], chromium["pss_mb"], 0.5),
        _limit("whole encoding unit, CPU", encoding["cores"], chromium["cores"], 1.3),
        _limit("warm join", joining["warm_join_s"], chromium["warm_join_s"], 0.5),
    ]
    return {"medians": medians, "limits": limits}


def page(result: dict[str, Any]) -> str:
    """The result as Markdown."""
    machine, medians = result["machine"], result["medians"]
    lines = [
        f"# A hall beside Chromium, {result['date'][:10]}",
        "",
        f"`{result['command']}` on {machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"{machine['system']}, Python {machine['python']}, {machine['chromium']}; load before "
        f"{machine['load_before']:.2f}. Medians; raw samples in the JSON file beside this page.",
        "",
        "| measured against Chromium in the same room | ratio | limit | |",
        "|---|---|---|---|",
        *(
            f"| {one['name']} | {one['ratio']:.2f} | {one['limit']:.2f} | "
            f"{'holds' if one['holds'] else '**falls short**'} |"
            for one in result["limits"]
        ),
        "",
        "| | " + " | ".join(medians) + " |",
        "|---|" + "---|" * len(medians),
    ]
    for key in dict.fromkeys(key for one in medians.values() for key in one):
        cells = (f"{one[key]:.3g}" if key in one else "" for one in medians.values())
        lines.append(f"| {key} | " + " | ".join(cells) + " |")
    short = [one["name"] for one in result["limits"] if not one["holds"]]
    lines += ["", f"Verdict: {'falls short: ' + ', '.join(short) if short else 'every limit holds'}."]
    return "\n".join(lines) + "\n"


def _medians(taken: list[Sample]) -> dict[str, float]:
    flat = [_flat(sample) for sample in taken]
    return {key: median(sample[key] for sample in flat) for key in flat[0]}


def _flat(sample: Sample) -> dict[str, float]:
    found = {key: value for key, value in sample.items() if key != "roles"}
    for role, cost in sample.get("roles", {}).items():
        found |= {f"{role}.{key}": value for key, value in cost.items()}
    return found


def _limit(name: str, ours: float, theirs: float, limit: float) -> dict[str, Any]:
    return {"name": name, "ratio": ours / theirs, "limit": limit, "holds": ours <= limit * theirs}
