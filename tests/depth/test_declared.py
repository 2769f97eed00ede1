"""Sources with names and kinds of their own, names that tell apart what is read, and folders with any name."""

import re
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.depth.test_sources import Memory
from wsss.cli.options import _absolute, methods_of
from wsss.config import Config
from wsss.depth.declared import FILES, DepthSources, declarations, inline, kinds_of, take_inline
from wsss.depth.sources import open_depth
from wsss.depth.specs import innermost, place_of, portable_spec, resolve_place, with_innermost
from wsss.errors import WsssError
from wsss.methods.names import MethodName
from wsss.pipeline import Run
from wsss.pipeline.profiles import profile
from wsss.pseudo.refinement import require_one_reading


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("files:a", "must be NAME=files:DIR"),
        ("=files:a", "must be NAME"),
        ("a/b=files:a", "must be NAME"),
        ("sensor=files:a", "something else already"),
        ("files=files:a", "something else"),
        ("noisy-08=files:a", "something else"),
        ("near=sensor", "not to 'sensor'"),
        ("near=files:", "not to 'files:'"),
        ("near=shuffled+files:a", "not to 'shuffled"),
    ],
)
def test_declarations_that_cannot_be_used_are_named(text: str, reason: str) -> None:
    with pytest.raises(WsssError, match=reason):
        declarations([text])


def test_a_name_stands_for_one_source() -> None:
    assert declarations(["near=files:a", "near=files:a"]) == {"near": "files:a"}
    with pytest.raises(WsssError, match=r"near is given twice.*Choose two names"):
        declarations(["near=files:a", "near=files:b"])


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        ("far", "not 'far'"),
        ("near=far", "not 'near=far'"),
        ("=metric", "not '=metric'"),
        ("other=metric", "is called other"),
        (["metric", "inverse"], "both metric and inverse"),
        (["near=metric", "near=inverse"], "near cannot be both"),
    ],
)
def test_kinds_that_make_no_sense_are_named(stated: str | list[str], reason: str) -> None:
    with pytest.raises(WsssError, match=reason):
        kinds_of(stated, ["near"])


SOURCES = DepthSources(
    own="files:/d/maps",
    own_kind="metric",
    declared={"near": "files:/d/disparity", "zoe": "hf:Intel/zoe"},
    kinds={"near": "inverse"},
    known={"files:meter": "metric"},
)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (None, "metric"),
        ("shuffled", "metric"),
        ("files:/d/maps", "metric"),
        ("near", "inverse"),
        ("shuffled+near", "inverse"),
        ("noisy:0.1+inverted+near", "inverse"),
        ("files:meter", "metric"),
        ("files:/d/other", None),
        ("zoe", None),
        ("hf:depth-anything/x", None),
        ("sensor", None),
        ("learned", None),
    ],
)
def test_a_kind_belongs_to_a_source(source: str | None, kind: str | None) -> None:
    assert SOURCES.kind(source) == kind


def test_a_kind_that_is_stated_for_all_files_is_of_those_without_their_own() -> None:
    sources = replace(SOURCES, kinds={"near": "inverse", FILES: "metric"})
    assert [sources.kind(each) for each in ("near", "files:/d/other", "hf:a/b", "sensor")] == [
        "inverse",
        "metric",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("own", "sources", "names"),
    [
        ("sensor", ["files:/a/DepthMETER"], ["meter"]),
        ("sensor", ["files:/a/depth", "files:/b/depth"], ["files-a", "files-b"]),
        ("sensor", ["files:/x/a/depth", "files:/y/a/depth"], ["files-x-a", "files-y-a"]),
        ("files:/c/depth", ["files:/a/depth"], ["files-a"]),
        ("sensor", ["files:/a/Depth_A", "files:/b/a"], ["a-depth-a", "a-b"]),
        ("sensor", ["learned", "learned:/x/one.st", "learned:/x/two.st"], ["learned", "learned-one", "learned-two"]),
        ("sensor", ["hf:org/zoe", "hf:other/zoe"], ["zoe-org", "zoe-other"]),
        ("sensor", ["files:/a/sensor", "sensor"], ["files-sensor", "sensor"]),
        ("sensor", ["near", "files:/a/near"], ["near", "near-a"]),
        ("sensor", ["files:/a/depth", "files:/a/../a/depth"], ["files", "files"]),
    ],
)
def test_names_tell_apart_what_is_read(own: str, sources: list[str], names: list[str]) -> None:
    depths = DepthSources(own=own, declared={"near": "files:/z/depth"})
    for order in (sources, sources[::-1]):
        found = depths.names(order)
        assert [found[each] for each in sources] == names


def test_names_that_no_part_tells_apart_get_a_hash() -> None:
    found = DepthSources().names(["files:/a+/depth", "files:/a-/depth"])
    names = [found["files:/a+/depth"], found["files:/a-/depth"]]
    assert names[0] != names[1]
    assert all(name.startswith("files-") and len(name) == 12 for name in names)


def test_a_record_keeps_names_and_kinds_but_no_place() -> None:
    config = profile(
        "smoke",
        "voc",
        depth="near=files:/home/me/depth",
        depth_kind=["metric", "near=inverse"],
        methods=[
            "depth",
            "depth@files:/home/me/a/depth",
            "depth@shuffled+files:/home/me/b/depth",
            "depth@files:/home/me/zoe",
        ],
    )
    assert (config.depth, config.depth_kind, config.kinds) == ("near", None, ("files=metric", "near=inverse"))
    settings = config.portable()
    assert "/home" not in str(settings)
    assert settings["methods"] == ("depth", "depth@files-a", "depth@shuffled+files-b", "depth@files:zoe")
    assert settings["sources"] == ("near=files:depth", "files-a=files:depth", "files-b=files:depth")
    kept = Run(Config(**{**vars(config), **{k: settings[k] for k in ("methods", "depth", "sources")}}), Path("c"))
    own = Run(config, Path("c"))
    names = [run.config.source_names for run in (own, kept)]
    assert set(names[0].values()) == set(names[1].values()) == {"near", "files-a", "files-b", "zoe"}
    assert [kept.depths.kind(source) for source in ("near", "files-a", "files:zoe")] == ["inverse", "metric", "metric"]


def test_settings_of_no_declared_source_are_as_they_were() -> None:
    for data in ("tabletop", "nyuv2", "voc"):
        config = profile("default", data)
        assert {"sources", "kinds"}.isdisjoint(config.dictionary())
        assert {"sources", "kinds"}.isdisjoint(config.portable())


def test_the_kind_of_a_profiles_depth_is_not_that_of_other_folders() -> None:
    assert profile("default", "voc").depths.kind("files:/x/disparity") is None
    assert profile("default", "voc", depth_kind="metric").depths.kind("files:/x/disparity") == "metric"


def test_a_kind_of_no_name_is_refused_among_those_of_names() -> None:
    with pytest.raises(WsssError, match=r"setting kinds: each must be NAME=KIND, not 'metric'"):
        profile("smoke", "voc", kinds=["metric"])


def test_a_name_of_a_refinement_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WsssError, match="name of a refinement"):
        Run(profile("smoke", "tabletop", sources=["par=files:/x"]), tmp_path)


# ---- folders with any name ----------------------------------------------------------------------------------------

FOLDERS = st.text("ab+=:,@- .~", min_size=1, max_size=8).filter(lambda name: name.strip(".") != "" and name[0] != "~")
CONTROLS = st.lists(st.sampled_from(["shuffled", "inverted", "noisy:0.1", "noisy-08"]), max_size=2)


@settings(max_examples=200, deadline=None)
@given(FOLDERS, CONTROLS)
def test_folders_may_have_any_name(name: str, controls: list[str]) -> None:
    """What is read is the folder that was named, or the name is refused with the remedy of a declared source."""
    with TemporaryDirectory() as root:
        folder = Path(root, name)
        folder.mkdir()
        np.save(folder / "000.npy", np.tile(np.linspace(1, 4, 15), (10, 1)).astype(np.float32))
        plain = f"files:{folder}"
        spec = "+".join([*controls, plain])
        assert (innermost(spec), place_of(spec)) == (plain, folder)
        assert with_innermost(spec, "sensor") == "+".join([*controls, "sensor"])
        assert resolve_place(spec, "/elsewhere") == spec
        assert innermost(resolve_place(portable_spec(spec), root)) == plain
        assert _absolute(spec) == "+".join([*controls, f"files:{folder.resolve()}"])
        assert innermost(DepthSources(declared=declarations([f"near={plain}"])).spec("shuffled+near")) == plain
        assert take_inline(inline("shuffled+near", {"near": plain})) == ("shuffled+near", f"near={plain}")
        assert take_inline(spec) == (spec, None)
        assert open_depth(plain, Memory(1), "metric")(0).shape == (20, 30)
        if name != name.rstrip() or "," in name:
            with pytest.raises(WsssError, match=r"--source NAME=files:DIR --methods depth@NAME"):
                methods_of(f"cam,depth@{spec}")
            return
        first, method = methods_of(f"cam,depth@{spec}") or ()
        assert (first, MethodName.of_seeds(method).source) == ("cam", spec)
        require_one_reading(method)
        assert MethodName.parse(method).refinement is None
        refined = MethodName.parse(f"{method}+par-depth")
        assert (refined.seeds, refined.refinement) == (method, "par-depth")


@pytest.mark.parametrize("end", ["par", "crf", "par-depth"])
def test_a_folder_whose_name_ends_as_a_refinement_does_is_declared(tmp_path: Path, end: str) -> None:
    (tmp_path / f"a+{end}").mkdir()
    for method, root, instead in (
        (f"depth@files:{tmp_path}/a+{end}", None, "depth@NAME"),
        (f"depth@shuffled+files:a+{end}", str(tmp_path), "depth@shuffled+NAME"),
    ):
        with pytest.raises(WsssError, match=rf"declare the folder with --source NAME=files:.*{re.escape(instead)}$"):
            require_one_reading(method, root)
    require_one_reading(f"depth@files:{tmp_path}/b+{end}")
    config = profile("smoke", "tabletop", sources=[f"near=files:{tmp_path}/a+{end}"], methods=["depth@near"])
    assert Run(config, tmp_path).depth_spec("near") == f"files:{tmp_path}/a+{end}"


@pytest.mark.parametrize("end", ["learned", "shuffled", "sensor"])
def test_a_folder_whose_name_ends_as_a_source_does_is_read(tmp_path: Path, end: str) -> None:
    folder = tmp_path / f"a+{end}"
    folder.mkdir()
    run = Run(profile("smoke", "tabletop", depth=f"files:{folder}", methods=["depth@shuffled"]), tmp_path)
    assert run.depth_spec() == f"files:{folder}"
    assert run.depth_spec("shuffled") == f"shuffled+files:{folder}"


def test_a_folder_with_a_comma_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "a,cam").mkdir()
    for text, root in (
        (f"depth@files:{tmp_path}/a,cam", None),
        ("depth@files:a,cam", tmp_path),
        ("depth@files:a,b", None),
    ):
        with pytest.raises(WsssError, match=r"--source NAME=files:.*--methods depth@NAME"):
            methods_of(text, root)
    assert methods_of("depth@files:a,cam, zoom") == ("depth@files:a", "cam", "zoom")
