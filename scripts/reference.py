"""`python -m scripts.reference`: write the parts of docs/reference that are made from the code."""

from __future__ import annotations

import json
from pathlib import Path

from api.problem_kinds import reference
from scripts.asyncapi import document
from scripts.manual import commands, metrics, reasons, settings

FOLDER = Path(__file__).parents[1] / "docs" / "reference"


def made() -> dict[str, str]:
    """Each file's name and its text, the same in every run."""
    topics = json.dumps(document(), indent=2, ensure_ascii=False) + "\n"
    return {
        "asyncapi.json": topics,
        "cli.md": commands.page(),
        "metrics.md": metrics.page(),
        "problems.md": reference(),
        "reasons.md": reasons.page(),
        "settings.md": settings.page(),
    }


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in made().items():
        (FOLDER / name).write_text(text)
        print(f"docs/reference/{name}: {len(text.splitlines())} lines")


if __name__ == "__main__":
    main()
