"""Training as many tutorials write it: torchvision transforms on PIL images, a DataLoader, float32, all weights, NCHW."""

import copy

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from wsss.cam.classifier import Classifier, ClassifierInfo

__all__ = ["PlainTraining", "plain_loop"]


class PlainTraining(Dataset[tuple[Tensor, Tensor]]):
    """Images `H×W×3 uint8` and labels `(N,C) bool` with the usual augmentation."""

    def __init__(
        self, images: list[NDArray[np.uint8]], labels: NDArray[np.bool_], side: int, info: ClassifierInfo
    ) -> None:
        self._images, self._labels = [Image.fromarray(image) for image in images], labels
        self._transform = transforms.Compose(
            [
                transforms.RandomResizedCrop(side, scale=(0.25, 1.0), ratio=(1.0, 1.0)),
                transforms.RandomHorizontalFlip(),
                transforms.ColorJitter(0.3, 0.3, 0.3),
                transforms.ToTensor(),
                transforms.Normalize(info.mean, info.std),
            ]
        )

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self._transform(self._images[index]), torch.from_numpy(self._labels[index]).float()


def plain_loop(
    model: Classifier, data: PlainTraining, *, epochs: int, batch_size: int, learning_rate: float, seed: int = 0
) -> Classifier:
    """Train a copy of `model` on all of `data` and return it in evaluation mode; rates and schedule as in `train_classifier`."""
    torch.manual_seed(seed)
    model = copy.deepcopy(model).train().requires_grad_(True)
    batches = DataLoader(data, batch_size, shuffle=True, drop_last=True)
    groups = [
        {"params": model.head.parameters(), "lr": learning_rate},
        {"params": model.features.parameters(), "lr": learning_rate / 5},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimizer, epochs * len(batches), power=0.9)
    for _ in range(epochs):
        for images, labels in batches:
            loss = F.multilabel_soft_margin_loss(model(images).mean(dim=(2, 3)), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()
