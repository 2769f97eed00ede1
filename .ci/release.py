"""Make the files of a release from what is there: package, site, weights, label maps, scenes, checksums.

    make release                          # refuses, and names each thing that is missing with the command that makes it
    make release RELEASE_ARGS=--partial   # goes on without it
    python .ci/release.py --check v1.0.0  # only: is this tag the version of the sources, with a date everywhere?

Nothing is trained: weights and labels are those of the runs of the committed records, training seed 0. Weights are in
16 bit, and are refused if that changes a score on the reported images by more than 0.1 points. `sha256sum -c
SHA256SUMS` checks what was downloaded.
"""

import argparse
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NAME = "wsss-depth-cam"
DATA = ("tabletop", "voc")
PARTS = ("package", "site", "weights", "labels", "scenes")
COPIED = ("CHANGELOG.md", "CITATION.cff", "LICENSE", "NOTICE", "REPRODUCIBILITY.md")
BUILD = "import sys; from setuptools import build_meta as b; o = sys.argv[1]; b.build_sdist(o); b.build_wheel(o)"
"""The builder replaces `sys.argv`, so the folder is taken from there first."""


def version_problems(root: Path, version: str, tag: str | None = None) -> Iterator[str]:
    """What of the sources does not say that this version is released; a line each."""
    citation = (root / "CITATION.cff").read_text(encoding="utf-8")
    changes = re.findall(r"^## (\S+) \((.+)\)$", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    if tag is not None and tag != f"v{version}":
        yield f"tag: {tag} is not v{version}, the VERSION of wsss/paths.py; set that, or tag v{version}"
    if f"\nversion: {version}\n" not in citation:
        yield f"version: CITATION.cff has another than {version}; set it there"
    if not re.search(r"^date-released: \d{4}-\d\d-\d\d$", citation, re.MULTILINE):
        yield "version: CITATION.cff has no date-released; add the day of the release"
    if not changes or changes[0][0] != version or changes[0][1] == "unreleased":
        yield f"version: CHANGELOG.md does not begin with `## {version} (YEAR-MONTH-DAY)`; write it so"


def git(*arguments: str) -> str | None:
    """What git prints about the checkout; None where it fails."""
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def source_problems() -> Iterator[str]:
    """Why package and site cannot be made as they were committed; a line each."""
    changes = git("status", "--porcelain")
    if changes is None:
        yield "checkout: it is no git repository; clone it"
    elif changes.strip():
        yield "checkout: it has changes that are not committed; commit them"
    if importlib.util.find_spec("sphinx") is None:
        yield "site: its tools are not installed; make them with `make site`"


def build_package(out: Path, registry: Path | None) -> None:
    """Write sdist and wheel of the committed files; `registry` names the weights of this release."""
    with tempfile.TemporaryDirectory(prefix="wsss-package-") as folder:
        for name in (git("ls-files", "-z") or "").split("\0"):
            if name and (ROOT / name).is_file():
                Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, Path(folder, name))
        if registry is not None:
            shutil.copyfile(registry, Path(folder, "wsss", "networks", "released.json"))
        run([sys.executable, "-c", BUILD, str(out.resolve())], cwd=folder)


def run(command: list[str], **options: Any) -> None:
    """Run a command quietly; the end of what it said where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        sys.exit(f"error: {' '.join(command[:3])} … failed: {(done.stderr or done.stdout)[-1500:]}")


def build_site(out: Path) -> None:
    """Write the site as an archive."""
    from wsss.experiments.release import write_zip

    with tempfile.TemporaryDirectory(prefix="wsss-site-") as folder:
        run([sys.executable, str(ROOT / "docs" / "build.py"), "--out", folder])
        files = {str(path.relative_to(folder)): path for path in Path(folder).rglob("*") if path.is_file()}
        write_zip(out, files)


def registry_of(folders: list[Path], out: Path, base: str) -> Path:
    """Copy the files of weights to where `wsss fetch` finds them one by one, and write the list of them."""
    from wsss.io import file_hash, write_json
    from wsss.networks.released import read_registry

    held = {}
    for folder in folders:
        files = {}
        for path in sorted(folder.iterdir()):
            asset = f"{folder.name}--{path.name}"
            shutil.copyfile(path, out / asset)
            files[path.name] = {"url": f"{base.rstrip('/')}/{asset}", "sha256": file_hash(path)}
        kind, data = (
            ("classifier" if folder.name.endswith("-classifier") else "network"),
            folder.name.rpartition("-")[0],
        )
        what = f"The {kind} of the records of {data}, training seed 0, in 16 bit."
        held[folder.name] = {"what": what, "licence": "apache-2.0", "files": files}
    write_json(out / "released.json", held)
    read_registry(out / "released.json")  # as `wsss fetch` will
    return out / "released.json"


def open_runs(options: argparse.Namespace) -> dict[str, Any]:
    """The run of each data set, or the line that says why there is none."""
    from wsss.experiments.parts import Part, open_part
    from wsss.pipeline import open_run

    runs: dict[str, Any] = {}
    for data in options.data.split(","):
        root = {"voc": options.voc, "tabletop": options.root}[data]
        if data == "voc" and (root is None or not root.is_dir()):
            runs[data] = f"{data}: there is no folder {root}; give it with --voc"
        elif options.profile == "reference":
            runs[data] = open_part(Part(data), root)
        else:
            runs[data] = open_run(options.profile, data, root=str(root) if root else None, progress=False)
    return runs


def main(arguments: list[str] | None = None) -> None:
    """Say what is missing, or make the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("dist"), help="folder to fill (default: dist)")
    parser.add_argument("--partial", action="store_true", help="go on without what is missing")
    parser.add_argument("--check", metavar="TAG", help="only compare a tag with the version of the sources")
    parser.add_argument("--base-url", help="address below which the files will be, for `wsss fetch`")
    parser.add_argument("--data", default=",".join(DATA), help="data sets (default: tabletop,voc)")
    parser.add_argument("--root", type=Path, help="folder of the scenes (default: the cache)")
    parser.add_argument("--voc", type=Path, default=Path("../shared/data/voc-animals"), help="folder in VOC layout")
    parser.add_argument("--profile", default="reference", help="of the runs (default: reference)")
    parser.add_argument("--records", type=Path, default=Path("results"), help="record tree, for the cards")
    parser.add_argument("--without", default="", help=f"leave out: {', '.join(PARTS)}")
    options = parser.parse_args(arguments)
    for name, known in {"data": DATA, "without": PARTS}.items():
        if unknown := set(filter(None, getattr(options, name).split(","))) - set(known):
            parser.error(f"--{name}: unknown {', '.join(sorted(unknown))}; choose from {', '.join(known)}")
    from wsss.errors import WsssError
    from wsss.paths import VERSION

    if options.check:
        sys.exit("\n".join(version_problems(ROOT, VERSION, options.check)) or None)
    try:
        make(options, VERSION)
    except WsssError as error:
        sys.exit(f"error: {error}")


def make(options: argparse.Namespace, version: str) -> None:
    """Make all files, or say what is missing and end."""
    from wsss.experiments.release import held_by
    from wsss.io import file_hash, write_json

    out, left_out = options.out, set(options.without.split(","))
    if out.exists() and any(out.iterdir()):
        sys.exit(f"error: {out} holds {min(path.name for path in out.iterdir())} already; delete it, or give --out")
    runs = open_runs(options)
    missing = [*version_problems(ROOT, version), *source_problems()]
    missing += [run for run in runs.values() if isinstance(run, str)]
    runs = {data: run for data, run in runs.items() if not isinstance(run, str)}
    held = {data: held_by(run) for data, run in runs.items()}
    for data, found in held.items():
        made_by = "`wsss render`" if found.missing == ("data",) else f"`wsss results {data}-0`"
        missing += [f"{data}: no {', no '.join(found.missing)}; make it with {made_by}"] if found.missing else []
    for line in missing:
        print(line, file=sys.stderr)
    if missing and not options.partial:
        sys.exit("error: the release is not complete; --partial makes the parts that are there")
    out.mkdir(parents=True, exist_ok=True)
    weights = from_runs(runs, held, out, version, left_out, options)
    for name in COPIED:
        shutil.copyfile(ROOT / name, out / name)
    if "package" not in left_out and git("ls-files"):
        build_package(out, out / "released.json" if options.base_url and weights else None)
    if "site" not in left_out and importlib.util.find_spec("sphinx"):
        build_site(out / f"{NAME}-{version}-site.zip")
    files = {path.name: path for path in sorted(out.iterdir())}
    made = {"version": version, "commit": (git("rev-parse", "HEAD") or "").strip() or None, "missing": missing}
    made |= {"utc": datetime.now(UTC).isoformat(timespec="seconds"), "weights": weights}
    sizes = {name: {"bytes": path.stat().st_size, "sha256": file_hash(path)} for name, path in files.items()}
    write_json(out / "release.json", {**made, "files": sizes})
    sums = {**{name: facts["sha256"] for name, facts in sizes.items()}, "release.json": file_hash(out / "release.json")}
    (out / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())))
    print("\n".join(f"{facts['bytes'] / 1e6:9.2f} MB  {name}" for name, facts in sizes.items()))


def from_runs(
    runs: dict[str, Any], held: dict[str, Any], out: Path, version: str, left_out: set[str], options: argparse.Namespace
) -> dict[str, Any]:
    """Write weights, labels and scenes; returns what is known of the weights."""
    from wsss.experiments.release import label_files, scene_files, weights_of, write_zip

    told: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="wsss-runs-") as folder:
        archives: dict[str, dict[str, Path]] = {"weights": {}, "labels": {}, "scenes": {}}
        folders = []
        for data, each in runs.items():
            name = each.data_name if each.data_is_there else data
            if "weights" not in left_out:
                for one in weights_of(each, held[data], name, Path(folder, "weights"), options.records):
                    folders.append(one.folder)
                    told[one.folder.name] = {"miou": one.miou, "images": one.images}
                    archives["weights"] |= {f"{one.folder.name}/{path.name}": path for path in one.folder.iterdir()}
            if "labels" not in left_out and held[data].labels:
                archives["labels"] |= label_files(each, held[data], name)
            if "scenes" not in left_out and data == "tabletop" and each.data_is_there:
                archives["scenes"] = scene_files(each, Path(folder))
        for kind, files in archives.items():
            if files:
                notice = {"NOTICE": ROOT / "NOTICE", "LICENSE": ROOT / "LICENSE"}
                write_zip(out / f"{NAME}-{version}-{kind}.zip", {**files, **notice})
        if options.base_url and folders:
            registry_of(folders, out, options.base_url)
    return told


if __name__ == "__main__":
    main()
