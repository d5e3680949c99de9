"""Write the demo's numbers into README.md, between its two markers, from `runs/demo/metrics.json`.

python docs/make_demo_results.py
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- demo:begin -->", "<!-- demo:end -->"


def table(metrics: dict) -> str:
    """The numbers of one run in Markdown."""
    machine, dynamics = metrics["machine"], metrics["dynamics"]
    lines = [
        "A stand-in: labels are GFN2-xTB's, not DFT. Trained on frames of 300 K only.",
        "",
        "| 200 frames of | energy RMSE (meV/atom) | predict mean | force RMSE (meV/Å) | predict zero |",
        "|---|---|---|---|---|",
    ]
    for name, errors in metrics["sets"].items():
        lines.append(
            f"| {name.removeprefix('test_').removesuffix('K')} K | {errors['energy_rmse_meV_per_atom']:.2f} | "
            f"{errors['energy_rmse_predict_mean_meV_per_atom']:.1f} | {errors['force_rmse_meV_per_A']:.1f} | "
            f"{errors['force_rmse_predict_zero_meV_per_A']:.0f} |"
        )
    lines += [
        "",
        f"{metrics['parameters']} parameters, {metrics['epochs']} epochs in {metrics['training_seconds']:.0f} s, seed "
        f"{metrics['seed']}. {dynamics['picoseconds']:g} ps of dynamics at constant energy drifts by "
        f"{dynamics['drift_meV_per_atom_per_ps']:.1g} meV/atom/ps.",
        f"Measured by `make demo` on {machine}; written here by `docs/make_demo_results.py`.",
    ]
    return "\n".join(lines)


def main(source: Path) -> None:
    """Replace what stands between the markers."""
    readme = ROOT / "README.md"
    text = readme.read_text("utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    content = table(json.loads(source.read_text("utf-8")))
    readme.write_text(f"{before}{BEGIN}\n{content}\n{END}{after}", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "runs/demo/metrics.json")
