"""Networks in folders as the hub has them: equal to the bit, with a card that the hub's own library reads."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard
from torch import nn

from tests.segmentation.handed_over import CLASSES, KINDS, checkpoint
from wsss import DepthCAM, from_pretrained, pretrained_file, save_pretrained
from wsss.cam.classifier import load_classifier
from wsss.depth.monocular import DepthNetwork, load_depth_network
from wsss.errors import WsssError
from wsss.io import file_hash
from wsss.segmentation.predictor import Predictor, load_predictor
from wsss.segmentation.pretrained import card_beside

LOAD = {"classifier": load_classifier, "segmentation network": load_predictor, "depth network": load_depth_network}


def parts(network: Any) -> tuple[nn.Module, Any]:
    """Module and description."""
    if isinstance(network, tuple):
        return network
    held = dict(vars(network))
    return held.pop("network" if isinstance(network, Predictor) else "module"), held


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("as_file", [True, False])
def test_what_comes_back_is_equal_to_the_bit(kind: str, as_file: bool, tmp_path: Path) -> None:
    path = checkpoint(kind, tmp_path / "one.safetensors")
    given: Any = path if as_file else LOAD[kind](path)
    folder = save_pretrained(given, tmp_path / "handed over")
    assert sorted(each.name for each in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    (module, facts), (again, same) = parts(LOAD[kind](path)), parts(from_pretrained(folder))
    assert facts == same
    assert module.state_dict().keys() == again.state_dict().keys()
    assert all(torch.equal(one, again.state_dict()[name]) for name, one in module.state_dict().items())
    assert not again.training
    image = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        assert torch.equal(module(image), again(image))
    if as_file:
        assert (folder / "model.safetensors").read_bytes() == path.read_bytes()
    config = json.loads((folder / "config.json").read_text())
    assert (config["kind"], config["side"]) == (kind, 64)


@pytest.mark.parametrize("kind", KINDS)
def test_the_hub_reads_the_card(kind: str, tmp_path: Path) -> None:
    path = checkpoint(kind, tmp_path / "one.safetensors")
    folder = save_pretrained(path, tmp_path / "mugs", license="cc-by-4.0", trained_on="300 photographs of our kitchen.")
    card = ModelCard.load(folder / "README.md")
    assert (card.data.license, card.data.library_name) == ("cc-by-4.0", "wsss-depth-cam")
    assert card.data.pipeline_tag in ("image-classification", "image-segmentation", "depth-estimation")
    text = card.text
    assert "300 photographs of our kitchen." in text
    for heading in ("Load it", "What it has learnt from", "How good it is", "its limits", "Licence"):
        assert heading in text
    if kind != "depth network":
        assert r'2. a "quoted" \`one\`' in text
    if kind == "classifier":
        assert "| cam | 41.3 |" in text
    else:
        assert "saved without a record" in text
    if kind == "segmentation network":
        assert "pseudo-labels of the method depth+par" in text


@pytest.mark.parametrize("kind", KINDS)
def test_the_cards_lines_load_it(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they stand in the card, beside the folder."""
    monkeypatch.chdir(tmp_path)
    save_pretrained(checkpoint(kind, tmp_path / "one.safetensors"), "mugs")
    code = Path("mugs", "README.md").read_text().split("```python\n")[1].split("```")[0]
    if kind == "classifier":
        assert isinstance(DepthCAM, type)
        code = code.split("result =")[0]  # a checkpoint without settings of crops, and no photograph
        with pytest.raises(WsssError, match="does not say"):
            exec(code, {})
        return
    held = {"image": __import__("numpy").zeros((40, 48, 3), "uint8")}
    exec(code, held)
    found: Any = held["label" if kind == "segmentation network" else "depth"]
    assert found.shape == (40, 48)


RECORD = {
    "data": "kitchen", "stage": "segmentation", "split": "val", "method": "depth@sensor", "refinement": "par", "seeds": [0, 1],
    "num_images": 40, "classes": list(CLASSES), "miou": {"mean": 51.27, "std": 0.4, "per_seed": [51.0, 51.5]}, "interval": [48.0, 54.5],
}  # fmt: skip


def test_a_records_scores_stand_in_the_card(tmp_path: Path) -> None:
    path, record = checkpoint("segmentation network", tmp_path / "one.safetensors"), tmp_path / "record.json"
    record.write_text(json.dumps(RECORD))
    card = ModelCard.load(save_pretrained(path, tmp_path / "mugs", record=record) / "README.md")
    (result,) = card.data.eval_results
    assert (result.dataset_name, result.metric_type, result.metric_value) == ("kitchen", "mean_iou", 51.27)
    assert (
        "mIoU with background 51.3 % (95 % interval over scenes 48.0 to 54.5) on 40 images of kitchen, val" in card.text
    )
    assert "`depth@sensor+par`" in card.text
    for change in ({"classes": ["mug"]}, {"stage": "cam"}):
        record.write_text(json.dumps(RECORD | change))
        with pytest.raises(WsssError, match=r"record\.json is no record of this segmentation network"):
            save_pretrained(path, tmp_path / "other", record=record)
    assert not (tmp_path / "other" / "README.md").exists()
    record.write_text(json.dumps(RECORD | {"miou": {"mean": None}}))
    assert (
        "saved without a record" in (save_pretrained(path, tmp_path / "third", record=record) / "README.md").read_text()
    )


def test_a_folder_holds_one_network_and_keeps_its_card(tmp_path: Path) -> None:
    path = checkpoint("depth network", tmp_path / "one.safetensors")
    folder = save_pretrained(path, tmp_path / "mugs")
    (folder / "README.md").write_text("my own words")
    (folder / "config.json").unlink()
    save_pretrained(path, folder)
    assert (folder / "README.md").read_text() == "my own words"
    assert (folder / "config.json").is_file()
    other = checkpoint("depth network", tmp_path / "two.safetensors", seed=1)
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    with pytest.raises(WsssError, match=r"mugs holds README\.md already, and not this network"):
        save_pretrained(other, folder)
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == before
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").touch()
    with pytest.raises(WsssError, match=r"holds a\.txt already"):
        save_pretrained(path, tmp_path / "notes")
    with pytest.raises(WsssError, match="is a file, and a folder is to be filled"):
        save_pretrained(path, path)
    with pytest.raises(WsssError, match="what is saved must be a checkpoint's file"):
        save_pretrained(nn.Conv2d(1, 1, 1), tmp_path / "new")  # type: ignore[arg-type]


def test_places_that_hold_none_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WsssError, match=r"holds no model\.safetensors"):
        from_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no")
    with pytest.raises(WsssError, match=r"cannot read the network .*model\.safetensors"):
        from_pretrained(tmp_path)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name in ("mugs", "a/b/c", "a b/c", "../x"):
        with pytest.raises(WsssError, match="there is no file or folder") as caught:
            pretrained_file(name)
        assert "\n" not in str(caught.value)


def test_the_hub_is_asked_once_and_its_copy_is_taken_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_pretrained(checkpoint("depth network", tmp_path / "one.safetensors"), tmp_path / "mugs")
    asked: list[tuple[Any, ...]] = []
    there = {"hub": True, "cache": False}

    def info(_: Any, name: str, *, revision: Any, timeout: float) -> None:
        asked.append((name, revision, timeout))
        if not there["hub"]:
            raise ConnectionError("no network\nmore lines")

    def download(name: str, file: str, *, revision: Any = None, local_files_only: bool = False) -> str:
        if local_files_only and not there["cache"]:
            raise OSError("not cached")
        there["cache"] = True
        return str(folder / file)

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", info)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    assert isinstance(from_pretrained("me/mugs", revision="v1"), DepthNetwork)
    assert asked == [("me/mugs", "v1", 10)]
    there["hub"] = False
    assert pretrained_file("me/mugs") == folder / "model.safetensors"
    there["cache"] = False
    with pytest.raises(
        WsssError, match=r"there is no folder me/mugs, and the hub gives no model\.safetensors.*no network"
    ) as caught:
        from_pretrained("me/mugs")
    assert "\n" not in str(caught.value)


# ---- cards beside checkpoints -------------------------------------------------------------------------------------

TRAINED: dict[str, Any] = {"epochs": 3, "learning_rate": 0.002, "note": "a|b"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_card_beside_a_checkpoint_says_how_it_was_trained(kind: str, tmp_path: Path) -> None:
    path = checkpoint(kind, tmp_path / "depth@noisy-0.8+par.safetensors")
    card = card_beside(path, trained_on="Four pictures.", training=TRAINED)
    assert card == tmp_path / "depth@noisy-0.8+par.md"
    text = ModelCard.load(card).text
    assert "Four pictures." in text
    for line in ("| epochs | 3 |", "| learning rate | 0.002 |", r"| note | a\|b |", f"| {file_hash(path)} |"):
        assert line in text
    assert f'"{path.name}"' in text  # the lines that load it name the file


def test_a_card_is_kept_with_its_weights_and_made_anew_with_others(tmp_path: Path) -> None:
    path = checkpoint("depth network", tmp_path / "one.safetensors")
    card = card_beside(path)
    edited = card.read_text() + "\nSeen by me.\n"
    card.write_text(edited)
    assert card_beside(path).read_text() == edited
    checkpoint("depth network", path, seed=1)
    assert "Seen by me" not in card_beside(path).read_text()
    for mine in ("my notes", ""):
        card.write_text(mine)
        assert card_beside(path).read_text() == mine
    card.unlink()
    card.mkdir()
    assert card_beside(path).is_dir()


def test_a_record_says_where_it_was_made(tmp_path: Path) -> None:
    path, record = checkpoint("segmentation network", tmp_path / "one.safetensors"), tmp_path / "record.json"
    made = {"commit": "0123abc", "utc": "2026-11-29", "parts": [{"processor": "Abacus"}, {"processor": "Abacus"}]}
    record.write_text(json.dumps(RECORD | {"provenance": made}))
    text = card_beside(path, record=record).read_text()
    assert "| commit | 0123abc |" in text
    assert "| processor | Abacus |" in text
