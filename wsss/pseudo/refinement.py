"""The refinements of seeds by name, each with the trials from which one is chosen on the tune split."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from wsss.depth.specs import innermost, place_of, reads_something, resolve_place, with_innermost
from wsss.errors import WsssError, first_line
from wsss.machine.plugins import Registry, check_version
from wsss.methods.names import REFINEMENTS_OF_OTHERS, MethodName, enter_refinement_name
from wsss.pseudo.adaptive import adaptive_kernel, colour_differences, depth_differences, spread
from wsss.pseudo.crf import dense_crf, require_crf
from wsss.pseudo.trials import TRIALS, RefinementParameters

__all__ = [
    "REFINEMENTS",
    "Refinement",
    "RefinementParameters",
    "Scene",
    "refine",
    "register_refinement",
    "require_libraries",
    "require_one_reading",
]

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Scene:
    """What a refinement looks at beside the scores.

    Attributes:
        image: `H×W×3 uint8`.
        threshold: background threshold of the scores; only the CRF asks for it.
        depth: `H×W float32` inverse depth in [0, 1]; only `par-depth` asks for it.
        jump: difference in inverse depth that parts two things.
    """

    image: NDArray[np.uint8]
    threshold: float
    depth: NDArray[np.float32] | None = None
    jump: float = 0.015


@dataclass(frozen=True)
class Refinement:
    """One way to refine seeds: a grid of parameters, and how scores are refined with each of some of them.

    `version` is raised when `run` gives other scores for the same parameters: labels of the former one are then made
    anew.
    """

    trials: tuple[RefinementParameters, ...]
    run: Callable[[Scene, Scores, Sequence[RefinementParameters]], list[Scores]]
    uses_depth: bool = False
    version: int = 1


def refine(name: str | None, scene: Scene, scores: Scores, trials: Sequence[RefinementParameters]) -> list[Scores]:
    """Scores `(K,H,W)` in [0, 1] after refinement `name` with each of `trials`; None leaves them as they are.

    Raises:
        WsssError: the refinement needs depth, or a package, that is not there.
    """
    if name is None or len(scores) == 0:
        return [scores for _ in trials]
    return REFINEMENTS[name].run(scene, scores, trials)


def require_libraries(names: Iterable[str]) -> None:
    """Raise a `WsssError` where the library of a refinement among label methods is missing: asked first, not after an
    hour of passes."""
    if any(MethodName.parse(name).refinement == "crf" for name in names):
        require_crf()


def require_one_reading(name: str, root: str | None = None) -> None:
    """Raise a `WsssError` where what follows the last `+` of a name may be a refinement, or the end of its depth
    folder's name.

    Args:
        root: folder of the data, in which the depth folder may lie.
    """
    base, _, source = name.partition("@")
    spec = resolve_place(source, root) if source and MethodName.parse(name).refinement else ""
    if reads_something(spec):
        raise WsssError(
            f"{name!r} may mean a refinement, or the folder {place_of(spec)}: declare the folder with --source "
            f"NAME={innermost(source)} and write {base}@{with_innermost(source, 'NAME')}"
        )


def _adaptive(scene: Scene, scores: Scores, trials: Sequence[RefinementParameters]) -> list[Scores]:
    """Trials share what they have in common: sizes, differences, kernels, and iterations, of which the longer goes on
    from the shorter."""
    if scene.depth is None and any(trial.jump for trial in trials):
        raise WsssError("refinement `par-depth` needs depth: give --depth, or take `par`")
    found: dict[RefinementParameters, Scores] = {trial: scores for trial in trials if not trial.iterations}
    for down in dict.fromkeys(trial.down for trial in trials if trial.iterations):
        own = [trial for trial in trials if trial.iterations and trial.down == down]
        found |= _at_size(scene, torch.from_numpy(scores)[None], down, own)
    return [found[trial] for trial in trials]


def _at_size(
    scene: Scene, scores: Tensor, down: int, trials: Sequence[RefinementParameters]
) -> dict[RefinementParameters, Scores]:
    """The scores `(1,K,H,W)` refined at a size smaller by `down`, by trial."""
    image = torch.from_numpy(np.ascontiguousarray(scene.image)).permute(2, 0, 1)[None].float().contiguous()
    height, width = image.shape[-2:]
    size = max(1, height // down), max(1, width // down)
    differences, jumps = colour_differences(F.interpolate(image, size, mode="area")), None
    if scene.depth is not None and any(trial.jump for trial in trials):
        depth = torch.from_numpy(np.ascontiguousarray(scene.depth))[None, None]
        jumps = depth_differences(F.interpolate(depth, size, mode="nearest-exact"))  # no depths between two things
    found = {}
    for colour, jump in dict.fromkeys((trial.colour, trial.jump) for trial in trials):
        kernel = adaptive_kernel(differences, colour, jumps if jump else None, jump * scene.jump if jump else 1.0)
        maps, done = F.interpolate(scores, size, mode="area"), 0
        own = [trial for trial in trials if (trial.colour, trial.jump) == (colour, jump)]
        for trial in sorted(own, key=lambda each: each.iterations):
            maps, done = spread(maps, kernel, trial.iterations - done), trial.iterations
            found[trial] = F.interpolate(maps, (height, width), mode="bilinear")[0].numpy()
    return found


def _crf(scene: Scene, scores: Scores, trials: Sequence[RefinementParameters]) -> list[Scores]:
    return [
        dense_crf(scene.image, scores, p.background * scene.threshold, side=p.side, colour=p.colour, weight=p.weight)
        for p in trials
    ]


_OWN_REFINEMENTS: dict[str, Refinement] = {
    "crf": Refinement(TRIALS["crf"], _crf),
    "par": Refinement(TRIALS["par"], _adaptive, version=2),
    "par-depth": Refinement(TRIALS["par-depth"], _adaptive, uses_depth=True, version=2),
}

REFINEMENTS: Registry[Refinement] = Registry("refinement", REFINEMENTS_OF_OTHERS, _OWN_REFINEMENTS)
"""`crf`: dense CRF. `par`: pixel-adaptive. `par-depth`: pixel-adaptive, with depth in its kernel.

Users and other packages, by the entry points `wsss.refinements`, may enter more: see `register_refinement`."""

Refine = Callable[[Scene, Scores, RefinementParameters], Scores]


def register_refinement(
    name: str,
    *,
    trials: Sequence[RefinementParameters] = (RefinementParameters(),),
    depth: bool = False,
    version: int = 1,
) -> Callable[[Refine], Refine]:
    """Decorator that enters a function from scores to refined scores, both `(K,H,W) float32` in [0, 1].

    Labels of `METHOD+NAME` are then refined by it.

    Args:
        name: in commands, records and keys.
        trials: parameters, the best of which on the tune split is taken; which fields count, the function says.
        depth: whether it looks at `Scene.depth`.
        version: to be raised whenever the function gives other scores: labels of the former are made anew.

    Raises:
        WsssError: no trial, no such version, or a name that is taken.

    >>> @register_refinement("squared", trials=[RefinementParameters(weight=w) for w in (1.0, 2.0)])
    ... def squared(scene, scores, parameters):
    ...     return scores**parameters.weight
    >>> "squared" in REFINEMENTS
    True
    """
    if not trials or not all(isinstance(each, RefinementParameters) for each in trials):
        raise WsssError(f"refinement {name!r}: trials must be one or more RefinementParameters, not {trials!r}")
    check_version(f"refinement {name!r}", version)

    def enter(refined: Refine) -> Refine:
        def run(scene: Scene, scores: Scores, chosen: Sequence[RefinementParameters]) -> list[Scores]:
            return [_checked(name, refined, scene, scores, each) for each in chosen]

        REFINEMENTS.enter(name, Refinement(tuple(trials), run, depth, version), refined)
        enter_refinement_name(name)
        return refined

    return enter


def _checked(name: str, refined: Refine, scene: Scene, scores: Scores, parameters: RefinementParameters) -> Scores:
    """What a user's own refinement gives; a `WsssError` that names it where that is no scores."""
    try:
        found = np.asarray(refined(scene, scores.copy(), parameters))
    except Exception as error:  # of somebody else's function
        raise WsssError(f"refinement {name} fails: {first_line(error)}") from error
    if found.shape != scores.shape or not np.issubdtype(found.dtype, np.floating):
        raise WsssError(
            f"refinement {name} must give scores {scores.shape} of floats, and gives {found.dtype} {found.shape}"
        )
    if not (found.min() >= 0 and found.max() <= 1):  # nor where one is NaN
        raise WsssError(f"refinement {name} must give scores in [0, 1], not {found.min():g} to {found.max():g}")
    return found.astype(np.float32, copy=False)
