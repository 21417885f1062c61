"""Prints the licenses of the packages that are linked into the static program."""

import json
import subprocess
import sys
from pathlib import Path

NAMES = ("license", "licence", "copying", "notice", "copyright", "unlicense")


def cargo(*words: str) -> str:
    return subprocess.check_output(["cargo", *words, "--locked"], text=True)


def main(target: str) -> None:
    tree = cargo(
        *("tree", "--package=monopoll", "--edges=normal", f"--target={target}"),
        *("--prefix=none", "--format={p}"),
    )
    # Such as `serde v1.0.229`, `serde_derive v1.0.229 (proc-macro)`.
    linked = {tuple(line.split()[:2]) for line in tree.splitlines() if "(proc-macro)" not in line}
    metadata = json.loads(cargo("metadata", "--format-version=1", f"--filter-platform={target}"))
    for package in sorted(metadata["packages"], key=lambda it: (it["name"], it["version"])):
        if (package["name"], f"v{package['version']}") not in linked or package["source"] is None:
            continue
        print(f"{'=' * 78}\n{package['name']} {package['version']} ({package['license']})\n")
        files = sorted(Path(package["manifest_path"]).parent.iterdir())
        texts = [path for path in files if path.is_file() and path.name.lower().startswith(NAMES)]
        if not texts:
            print("Its package has no license file. The license is the one named above.\n")
        for path in texts:
            print(path.read_text(encoding="utf-8", errors="replace").strip(), end="\n\n")


if __name__ == "__main__":
    main(sys.argv[1])
