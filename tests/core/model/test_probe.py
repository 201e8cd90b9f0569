"""The linear probe: what a linear classifier reads off a code, beside what it reads off the pixels."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from aecore.foundation.errors import BadInput
from aecore.model import probe
from aecore.model.autoencoder import build
from aecore.parts.corruptions import Masking, NoCorruption
from aecore.parts.datasets import Digits
from aecore.parts.loading import load_data

CLEAN = NoCorruption()


@pytest.fixture(scope="module")
def digits():
    return load_data(Digits())


def copying(configure, scale=1.0):
    """A model whose code is the picture itself, times `scale`."""
    model = build(configure(backbone={"kind": "linear", "tied": True}, code_dim=64), (1, 8, 8)).eval()
    with torch.no_grad():
        model.encoder.layers[0].weight.copy_(scale * torch.eye(64))
    return model


@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e5])
def test_a_code_that_is_the_picture_tells_what_the_pixels_tell_at_any_scale(configure, digits, scale):
    for corruption in (CLEAN, Masking(level=0.4)):
        found = probe.probe(copying(configure, scale), digits, CLEAN, corruption)
        assert found.code == pytest.approx(found.pixels, abs=0.005)
    assert probe.probe(copying(configure), digits, CLEAN, CLEAN).code > 0.9


def test_a_code_without_content_tells_nothing(configure, digits):
    model = copying(configure, 0.0)
    assert probe.probe(model, digits, CLEAN, CLEAN).code < 0.2


def test_it_is_logistic_regression_on_codes_of_one_common_scale(session):
    data = session.data
    train, test = data.indices("train"), data.indices("test")
    codes, others = session.encode(data.floats(train)), session.encode(data.floats(test))
    spread = np.sqrt(((codes - codes.mean(0)) ** 2).sum(1).mean() / session.code_dim)
    theirs = LogisticRegression(C=0.1, tol=1e-6, max_iter=10_000)
    theirs.fit((codes - codes.mean(0)) / spread, data.labels[train])
    expected = theirs.score((others - codes.mean(0)) / spread, data.labels[test])
    assert session.probe().code == pytest.approx(expected, abs=0.005)
    assert session.status.metrics["probe_accuracy"] == session.probe().code
    assert session.status.metrics["pixels_probe_accuracy"] == session.probe().pixels


def test_noise_replays_and_costs_what_clean_fitting_does_not_know_of(session):
    again = [session.probe("masking", 0.6, seed=3) for _ in range(2)]
    assert again[0] == again[1]
    assert again[0] != session.probe("masking", 0.6, seed=4)
    assert again[0].code < session.probe(seed=3).code
    assert session.probe("masking", 0.0).code == session.probe().code
    own = session.probe(None, learn="corrupted")
    assert own.code == session.status.metrics["probe_accuracy_corrupted"]
    assert own.pixels == session.status.metrics["pixels_probe_accuracy_corrupted"]
    assert own != session.probe(None)


def test_the_note_says_how_many_of_how_many(session):
    assert session.probe(images=100, seed=2).note == (
        "fitted on 100 of 1,257 training images, scored on 100 of 270 test images, stratified, seed 2"
    )


def test_data_without_two_classes_is_refused_and_measured_without(configure, digits):
    config, model = configure(), copying(configure)
    unlabelled = dataclasses.replace(digits, labels=None)
    alike = dataclasses.replace(digits, labels=np.zeros(len(digits), np.int64))
    for data, words in ((unlabelled, "these images have none"), (alike, "two classes")):
        with pytest.raises(BadInput, match=words):
            probe.probe(model, data, CLEAN, CLEAN)
        assert probe.figures(model, config, data) == {}
    assert probe.figures(model, config, digits).keys() == {"probe_accuracy", "pixels_probe_accuracy"}


def test_impossible_corruptions_are_refused_in_words(session):
    with pytest.raises(BadInput, match="unknown kind 'rain'"):
        session.probe("rain")
    with pytest.raises(BadInput, match="level"):
        session.probe("masking", 7.0)
