"""`output_hidden_states` as a list of indices."""

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError

from lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification, LGIFormerModel, RegionTubeMasking


CLASSES = [LGIFormerModel, LGIFormerForPreTraining, LGIFormerForVideoClassification]

# In 5.23 it has another name, which 5.17 does not have.
allows_gradient_checkpointing_enable = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")


@pytest.fixture(params=CLASSES)
def model_and_inputs(request, tiny_config, clips):
    """A model with 2 layers, so with hidden states 0, 1 and 2, and its inputs."""
    config = tiny_config()
    inputs = {"pixel_values": clips(config)}
    if request.param is LGIFormerForPreTraining:
        inputs["bool_masked_pos"] = RegionTubeMasking(config)(2)
    return request.param(config).eval(), inputs


def assert_selected(selected, everything, indices):
    """Check that entries at `indices` equal those of `everything`, and that others are None."""
    assert len(selected) == len(everything)
    for index, (entry, whole) in enumerate(zip(selected, everything, strict=True)):
        assert torch.equal(entry, whole) if index in indices else entry is None, index


@pytest.mark.parametrize(
    ("request_", "indices"),
    [
        ([0, -1], {0, 2}),
        ((1,), {1}),
        ({-2}, {1}),
        ([-3, 2, 2], {0, 2}),
        (1, {1}),
        (-1, {2}),
        ([1, 7, -9], {1}),
        ([3], set()),
    ],
)
def test_the_listed_states_are_returned_and_none_elsewhere(model_and_inputs, request_, indices):
    model, inputs = model_and_inputs
    everything = model(**inputs, output_hidden_states=True)
    selected = model(**inputs, output_hidden_states=request_)
    assert_selected(selected.hidden_states, everything.hidden_states, indices)
    assert torch.equal(selected[0], everything[0])


@pytest.mark.parametrize("request_", [[], (), False, None])
def test_no_states_are_returned_unless_asked_for(model_and_inputs, request_):
    model, inputs = model_and_inputs
    assert model(**inputs, output_hidden_states=request_).hidden_states is None


def test_a_list_in_the_configuration_holds_and_a_call_overrides_it(model_and_inputs, tmp_path):
    model, inputs = model_and_inputs
    everything = model(**inputs, output_hidden_states=True).hidden_states
    try:
        model.config.output_hidden_states = [0, -1]
    except StrictDataclassError as error:
        pytest.skip(f"this version of Transformers takes no list there: {error}")
    assert_selected(model(**inputs).hidden_states, everything, {0, 2})
    assert_selected(model(**inputs, output_hidden_states=[1]).hidden_states, everything, {1})
    assert model(**inputs, output_hidden_states=False).hidden_states is None
    model.save_pretrained(tmp_path, save_code=False)
    loaded = type(model).from_pretrained(tmp_path).eval()
    assert_selected(loaded(**inputs).hidden_states, everything, {0, 2})


def test_representative_states_are_selected_alike(tiny_config, clips):
    config = tiny_config()
    model, pixel_values = LGIFormerModel(config).eval(), clips(config)
    everything = model(pixel_values, output_hidden_states=True).representative_hidden_states
    selected = model(pixel_values, output_hidden_states=[-1]).representative_hidden_states
    assert_selected(selected, everything, {2})


def test_return_dict_false_and_attentions(model_and_inputs):
    model, inputs = model_and_inputs
    model.set_attn_implementation("eager")
    everything = model(**inputs, output_hidden_states=True, output_attentions=True)
    selected = model(**inputs, output_hidden_states=[0, -1], output_attentions=True, return_dict=False)
    assert isinstance(selected, tuple)
    assert_selected(selected[list(everything).index("hidden_states")], everything.hidden_states, {0, 2})
    assert len(selected[list(everything).index("attentions")]) == len(everything.attentions)


@pytest.mark.parametrize("request_", ["all", ["last"], [True], [0.0], 1.5, [None]])
def test_what_names_no_states_is_refused(model_and_inputs, request_):
    model, inputs = model_and_inputs
    with pytest.raises(ValueError, match=r"output_hidden_states=.* must be True, False, or a list of indices"):
        model(**inputs, output_hidden_states=request_)


@allows_gradient_checkpointing_enable
def test_gradients_are_the_same_with_checkpointing(model_and_inputs):
    model, inputs = model_and_inputs

    def gradients():
        model.zero_grad()
        states = model(**inputs, output_hidden_states=[1, -1]).hidden_states
        (states[1].sum() + states[2].square().sum()).backward()
        return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}

    model.train()
    plain = gradients()
    model.gradient_checkpointing_enable()
    checkpointed = gradients()
    assert plain.keys() == checkpointed.keys() and plain
    for name in plain:
        torch.testing.assert_close(checkpointed[name], plain[name])


def test_a_list_compiles_whole(tiny_config, clips):
    config = tiny_config()
    model, pixel_values = LGIFormerForVideoClassification(config).eval(), clips(config)
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    with torch.no_grad():
        everything = model(pixel_values, output_hidden_states=True).hidden_states
        states = compiled(pixel_values, output_hidden_states=[0, -1]).hidden_states
    assert states[1] is None
    for index in (0, 2):
        torch.testing.assert_close(states[index], everything[index])
