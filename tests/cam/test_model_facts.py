"""What classifiers of other libraries say of themselves, and what is asked for where they do not."""

import warnings
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
import transformers
from torch import nn

from wsss.cam.model_facts import ModelFacts, class_names, model_facts, probabilities_of, require_activation
from wsss.errors import WsssError

WEIGHTS = torchvision.models.EfficientNet_V2_L_Weights.DEFAULT  # of other numbers than most
HALF = (0.5, 0.5, 0.5)


def silently(model: nn.Module, **told: Any) -> ModelFacts:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return model_facts(model, **told)


@pytest.fixture(scope="module")
def vision() -> nn.Module:
    return torchvision.models.resnet18(weights=None)


@pytest.fixture(scope="module")
def hugging() -> nn.Module:
    names = {0: "cat", 1: "dog", 2: "mug"}
    config = transformers.ViTConfig(
        id2label=names, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, image_size=32
    )
    model: nn.Module = transformers.ViTForImageClassification(config)
    return model


def test_timm_says_all_but_the_activation() -> None:
    facts = silently(timm.create_model("tf_efficientnet_lite0"))
    assert (facts.mean, facts.std, facts.side, facts.activation) == (HALF, HALF, 224, None)
    assert facts.classes is not None
    assert (len(facts.classes), facts.classes[665], facts.classes[134]) == (1000, "moped", "crane")


def test_timm_names_no_classes_of_another_head() -> None:
    assert silently(timm.create_model("tf_efficientnet_lite0", num_classes=5)).classes is None


def test_torchvision_says_it_with_its_weights(vision: nn.Module) -> None:
    facts = silently(vision, weights=WEIGHTS)
    assert (facts.mean, facts.std, facts.side, facts.activation) == (HALF, HALF, 480, "softmax")
    assert facts.classes is not None
    assert facts.classes[665] == "moped"


def test_without_weights_there_is_a_warning_and_imagenet(vision: nn.Module) -> None:
    with pytest.warns(UserWarning, match=r"ResNet does not say .* normalised and sized: .* weights= .* processor="):
        facts = model_facts(vision)
    assert facts == ModelFacts((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 224)


def test_what_is_told_wins(vision: nn.Module) -> None:
    told = {"mean": [0.1, 0.2, 0.3], "std": [1, 1, 1], "size": 96, "activation": "sigmoid"}
    facts = silently(vision, weights=WEIGHTS, **told)
    assert (facts.mean, facts.std, facts.side, facts.activation) == ((0.1, 0.2, 0.3), (1, 1, 1), 96, "sigmoid")
    assert silently(vision, **told).classes is None


def test_transformers_says_it_with_its_processor(hugging: nn.Module) -> None:
    facts = silently(
        hugging, processor=transformers.ViTImageProcessor(image_mean=[0.1, 0.2, 0.3], size={"height": 48, "width": 48})
    )
    assert (facts.mean, facts.std, facts.side) == ((0.1, 0.2, 0.3), HALF, 48)
    assert (facts.classes, facts.activation) == (("cat", "dog", "mug"), "softmax")


def test_another_scale_of_a_processor_is_part_of_the_normalisation(hugging: nn.Module) -> None:
    said = {"rescale_factor": 1 / 127.5, "image_mean": [1, 1, 1], "image_std": [1, 1, 1], "size": {"shortest_edge": 256},
            "crop_size": {"height": 224, "width": 224}, "do_center_crop": True}  # fmt: skip
    facts = silently(hugging, processor=said)
    assert (facts.mean, facts.std, facts.side) == (HALF, HALF, 224)  # (2x − 1) / 1 = (x − ½) / ½


def test_a_processor_that_was_saved_with_the_model_is_found(hugging: nn.Module, tmp_path: Any) -> None:
    hugging.save_pretrained(tmp_path)  # type: ignore[operator]
    transformers.ViTImageProcessor(image_mean=[0.1, 0.2, 0.3], size={"height": 32, "width": 32}).save_pretrained(
        tmp_path
    )
    model = transformers.AutoModelForImageClassification.from_pretrained(tmp_path)
    facts = silently(model)
    assert (facts.mean, facts.side) == ((0.1, 0.2, 0.3), 32)


@pytest.mark.parametrize(
    ("kind", "labels", "activation"),
    [
        (None, 3, "softmax"),
        (None, 1, "sigmoid"),
        ("single_label_classification", 3, "softmax"),
        ("multi_label_classification", 3, "sigmoid"),
        ("regression", 3, None),
    ],
)
def test_the_activation_is_that_of_transformers_own_pipeline(kind: str | None, labels: int, activation: str) -> None:
    model = nn.Identity()
    config: Any = transformers.AutoConfig.for_model("vit", num_labels=labels, problem_type=kind)
    model.config = config
    assert model_facts(model, mean=HALF, std=HALF).activation == activation


def test_labels_are_in_the_order_of_their_numbers() -> None:
    model = nn.Identity()
    config: Any = transformers.AutoConfig.for_model("vit")
    model.config = config
    config.id2label = {str(number): f"c{number}" for number in range(12)}
    assert silently(model, mean=HALF, std=HALF).classes == tuple(f"c{number}" for number in range(12))
    config.id2label = {"cat": "cat", "dog": "dog"}  # of which output nothing is said
    assert silently(model, mean=HALF, std=HALF).classes is None


def test_a_model_of_timm_that_was_built_for_another_size_has_that() -> None:
    model = timm.create_model("vit_tiny_patch16_224", img_size=64, depth=1)
    assert silently(model).side == 64


def test_numbers_of_numpy_and_torch_will_do(vision: nn.Module) -> None:
    told = {"mean": np.full(3, 0.5, np.float32), "std": torch.full((3,), 0.5), "size": np.int64(64)}
    facts = silently(vision, **told)
    assert (facts.mean, facts.std, facts.side, type(facts.side)) == (HALF, HALF, 64, int)


def test_names_of_outputs() -> None:
    known = ModelFacts(classes=("crane", "cat", "crane"))
    assert class_names(None, known, 3) == ("crane (0)", "cat", "crane (2)")
    for names in (["a", "b", "c"], np.array(["a", "b", "c"]), iter("abc")):
        assert class_names(names, known, 3) == ("a", "b", "c")
    assert class_names(None, known, 2) == ("0", "1")
    assert class_names(None, ModelFacts(), 2) == ("0", "1")


def test_probabilities() -> None:
    logits = torch.tensor([[0.0, 0.0]])
    assert probabilities_of(logits, "softmax").tolist() == [[0.5, 0.5]]
    torch.testing.assert_close(probabilities_of(logits + 10, "sigmoid"), torch.full((1, 2), 0.9999546))
    require_activation("softmax", "a test")
    with pytest.raises(WsssError, match=r"a test, and the model does not say .* activation='softmax'"):
        require_activation("", "a test")


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"activation": "relu"}, "activation must be one of softmax, sigmoid, not 'relu'"),
        ({"mean": [0.5]}, "mean must be a list of 3 numbers"),
        ({"mean": 0.5}, "mean must be a list of 3 numbers of at least 0, not 0.5"),
        ({"mean": (123.7, 116.3, 103.5), "std": (58.4, 57.1, 57.4)}, r"mean is \(123.7, .* divide mean and std by 255"),
        ({"size": True}, "size must be an integer"),
        ({"std": [0, 1, 1]}, "std must be a list of 3 numbers"),
        ({"size": 2.5}, "size must be an integer"),
        ({"weights": "DEFAULT"}, "weights must be an entry of torchvision's weights"),
        ({"processor": 3}, "processor must be an image processor of transformers, not int"),
        ({"processor": {"do_flip_channel_order": True}}, "give mean= and std="),
    ],
)
def test_wrong_arguments_are_named(vision: nn.Module, told: dict[str, Any], message: str) -> None:
    with pytest.raises(WsssError, match=message):
        model_facts(vision, **told)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["a", "b"], "classes has 2 names, but the model 3 outputs"),
        ("abc", "classes must be a list of names"),
        ([1, 2, 3], "classes must be a list of names"),
        (3, "classes must be a list of names"),
    ],
)
def test_wrong_names_are_refused(classes: Any, message: str) -> None:
    with pytest.raises(WsssError, match=message):
        class_names(classes, ModelFacts(), 3)
