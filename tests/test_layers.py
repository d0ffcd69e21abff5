"""Imports between rooms run one way and have no circle. Imports inside functions count, too."""

import graphlib

import grimp
import pytest
from grimp import Layer


# From top to bottom. Rooms on one line do not import each other.
LAYERS = {
    "lgi_former": [
        {"__main__"},
        {"commands"},
        {"registration"},
        {"training"},
        {"export"},
        {"conversion", "inference"},
        {"figures", "hub"},
        {"modeling_lgi_former"},
        {"configuration", "image_processing"},
        {"saving"},
        {"files", "messages", "version"},
        {"extras"},
    ],
    "lgi_former.training": [
        {"evaluate", "finetune", "pretrain", "preparation", "quickstart"},
        {"run"},
        {"evaluation"},
        {"trainer"},
        {"data"},
    ],
    "lgi_former.image_processing": [
        {"augmentation", "faces", "model_processor", "training_frame_sampling"},
        {"video_processing_lgi_former"},
        {"processor_settings"},
        {"decoding", "distinct_views", "frame_sampling", "pixel_range", "resizing"},
    ],
}
NOT_IMPORTED = {"lgi_former.setup"}  # `setup.py` is in the folder of the package


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("lgi_former", cache_dir=None)


@pytest.mark.parametrize("package", LAYERS)
def test_every_room_has_a_layer(graph, package):
    rooms = {f"{package}.{room}" for layer in LAYERS[package] for room in layer}
    assert rooms == graph.find_children(package) - NOT_IMPORTED


@pytest.mark.parametrize("package", LAYERS)
def test_imports_run_down(graph, package):
    layers = [Layer(*rooms, independent=True) for rooms in LAYERS[package]]
    upward = graph.find_illegal_dependencies_for_layers(layers, containers={package})
    assert not [f"{found.importer} imports {found.imported}: {_chain(found)}" for found in upward]


def _chain(found):
    route = next(iter(found.routes))
    return " -> ".join([min(route.heads), *route.middle, min(route.tails)])


def test_no_file_imports_the_room_that_it_is_in(graph):
    """A room imports its files. A file that imports its room would depend on the order of imports."""
    rooms = [module for module in graph.modules if graph.find_children(module)]
    found = {(user, room) for room in rooms for user in graph.find_modules_that_directly_import(room)}
    assert not {(user, room) for user, room in found if user.startswith(f"{room}.")}


def test_there_is_no_circle(graph):
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    graphlib.TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle
