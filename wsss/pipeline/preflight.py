"""What is checked before a run computes anything: it would otherwise stop after hours."""

from wsss.cam.features import check_class_maps
from wsss.config import Config
from wsss.depth.names import SOURCES
from wsss.depth.specs import innermost
from wsss.errors import WsssError
from wsss.machine.processes import num_processes, require_images
from wsss.methods.names import MethodName
from wsss.methods.registry import method
from wsss.pseudo.refinement import REFINEMENTS, require_one_reading
from wsss.segmentation.network import check_network

__all__ = ["check_before"]


def check_before(config: Config) -> None:
    """Raise a `WsssError` unless batches, names, depth sources, backbone and network of a configuration go together."""
    depths = config.depths
    if taken := next((name for name in depths.declared if name in REFINEMENTS), None):
        raise WsssError(f"--source {taken}: that is the name of a refinement. Choose another name.")
    if taken := next((name for name in SOURCES if name in REFINEMENTS), None):
        raise WsssError(f"{taken} is a depth source and a refinement: give one of them another name")
    for what, batch_size in (
        ("the classifier", config.classifier.batch_size),
        ("the segmentation network", config.segmentation.batch_size),
    ):
        require_images(num_processes(), batch_size, what)
    if "learned" in {innermost(config.depths.spec(source)) for source in (None, *config.method_sources())}:
        require_images(num_processes(), config.depth_training.batch_size, "the depth network")
    for name in (*config.methods, *config.pseudo_methods, *config.label_methods):
        require_one_reading(name, config.root)
        base = MethodName.parse(name).seeds
        if method(base).uses_depth:  # an unknown name is an error now, not hours later
            depths.check(MethodName.of_seeds(base).source)
    check_class_maps(config.classifier.backbone, config.classifier.output_stride)
    network = config.segmentation
    check_network(network.architecture, network.encoder, network.crop_size)
