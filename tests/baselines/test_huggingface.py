"""Features by a Hugging Face model: the calls that are made of transformers, and what is said without it.

transformers itself is no dependency of the tests: a package of two classes stands in.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from augmap.baselines import layout
from augmap.baselines.features import read_features
from augmap.baselines.huggingface import huggingface_features
from augmap.errors import InputError


@pytest.fixture
def hub(monkeypatch):
    """A stand-in for transformers; keeps how it was called."""
    seen = {"sizes": []}

    class Processor:
        def __call__(self, *, images, return_tensors):
            assert return_tensors == "pt"
            seen["sizes"] += [(image.mode, image.size) for image in images]
            return {"pixel_values": torch.stack([torch.tensor(np.asarray(i)).float() / 255 for i in images])}

    class Model(torch.nn.Module):
        answer = staticmethod(lambda x: SimpleNamespace(pooler_output=x.mean((1, 2))))

        def forward(self, pixel_values):
            assert not self.training
            assert not torch.is_grad_enabled()
            return self.answer(pixel_values)

    def loads(kind, make):
        def from_pretrained(name, **options):
            seen[kind] = (name, options)
            if "missing" in name:
                raise OSError(f"{name} is not a local folder and is not a valid model identifier")
            return make()

        return SimpleNamespace(from_pretrained=from_pretrained)

    module = ModuleType("transformers")
    module.AutoImageProcessor, module.AutoModel = loads("processor", Processor), loads("model", Model)
    monkeypatch.setitem(sys.modules, "transformers", module)
    monkeypatch.setattr(layout, "version", lambda package: "9.9")
    seen["Model"] = Model
    return seen


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def test_a_folder_is_read_without_network_code_or_pickle(hub, folder, stripes):
    found, what = read_features(folder, stripes, device="cpu")
    np.testing.assert_allclose(found, stripes.pixels.mean((1, 2)) / 255, atol=1e-5)
    assert what == {"source": str(folder), "transformers": "9.9"}
    asked = {"trust_remote_code": False, "local_files_only": True}
    assert hub["processor"] == (str(folder), asked)
    assert hub["model"] == (str(folder), {"use_safetensors": True, **asked})
    assert hub["sizes"] == [("RGB", (12, 12))] * 120


def test_the_hub_is_asked_only_with_hf(hub, stripes):
    read_features("hf:facebook/dinov2-small", stripes, device="cpu")
    assert hub["model"][0] == "facebook/dinov2-small"
    assert hub["model"][1]["local_files_only"] is False


def test_the_first_token_where_nothing_is_pooled(hub, stripes):
    hub["Model"].answer = staticmethod(
        lambda x: SimpleNamespace(last_hidden_state=torch.stack([x.mean((1, 2)), 0 * x.mean((1, 2))], 1))
    )
    found, _ = read_features("hf:vit", stripes, device="cpu")
    np.testing.assert_allclose(found, stripes.pixels.mean((1, 2)) / 255, atol=1e-5)


def test_grey_images_become_colour(hub):
    grey = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), dtype=np.uint8)
    found, _ = huggingface_features("hf:vit", grey, device="cpu")
    np.testing.assert_allclose(found, np.repeat(grey.mean((1, 2)) / 255, 3, axis=1), atol=1e-5)


def test_a_model_of_other_things(hub, stripes):
    hub["Model"].answer = staticmethod(lambda x: SimpleNamespace(logits=x))
    with pytest.raises(InputError, match="neither a pooled output nor hidden states"):
        read_features("hf:text", stripes, device="cpu")


def test_a_model_that_is_not_there(hub, stripes):
    with pytest.raises(InputError, match="hf:missing/model: transformers cannot load this model"):
        read_features("hf:missing/model", stripes)
    with pytest.raises(InputError, match="give the folder of a model, or hf:"):
        read_features("hf:", stripes)


def test_its_own_processor_decides(hub, folder, stripes):
    with pytest.raises(InputError, match="leave out size, mean: it means nothing for a Hugging Face model"):
        read_features(folder, stripes, size=224, mean=[0.5])


@pytest.mark.parametrize("installed", [False, importlib.util.find_spec("transformers") is not None])
def test_without_transformers(installed, monkeypatch, folder, stripes):
    if not installed:
        monkeypatch.setitem(sys.modules, "transformers", None)
        with pytest.raises(InputError, match=r"transformers is not installed .*pip install 'augmap\[hf\]'"):
            read_features(folder, stripes)
