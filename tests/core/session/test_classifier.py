"""A run's encoder as a classifier: learned from labels, chosen on validation, never on test."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from aecore.foundation.errors import BadInput
from aecore.session.classifier import Network, fine_tune
from aecore.session.session import Session
from aecore.training.run import train


@pytest.fixture(scope="module")
def fitted(trained):
    session = Session(*trained)
    return session, fine_tune(session, epochs=25, learning_rate=5e-3)


def test_it_classifies_digits_better_than_a_linear_reading_of_the_code(fitted):
    session, found = fitted
    data = session.data
    rest, test = data.indices("train"), data.indices("test")
    linear = LogisticRegression(max_iter=2000).fit(session.encode(data.floats(rest)), data.labels[rest])
    wrong = 1 - linear.score(session.encode(data.floats(test)), data.labels[test])
    assert found.error(data.floats(test), data.labels[test]) < min(0.08, wrong)


def test_the_epoch_that_is_best_on_validation_images_is_kept(fitted):
    session, found = fitted
    held_out = session.data.indices("validation")
    error = found.error(session.data.floats(held_out), session.data.labels[held_out])
    assert len(found.errors) == 25
    assert error == min(found.errors) == found.errors[found.epoch - 1]


def test_probabilities_are_a_softmax_over_the_classes(fitted):
    session, found = fitted
    images = session.gallery(9).images
    p = found.probabilities(images)
    assert p.shape == (9, 10)
    assert len(found.names) == 10
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-5)
    assert np.array_equal(found.predict(images), p.argmax(1))


def test_the_run_is_left_alone_and_equal_seeds_give_equal_classifiers(trained):
    session = Session(*trained)
    images = session.gallery(5).images
    before = session.encode(images)
    one, two, other = (fine_tune(session, epochs=2, noise=0.2, shift=1, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(session.encode(images), before)
    assert np.array_equal(one.probabilities(images), two.probabilities(images))
    assert not np.array_equal(one.probabilities(images), other.probabilities(images))


def test_labels_and_test_images_are_used_as_they_should_be(trained):
    session = Session(*trained)
    data = session.data
    labels = data.labels.copy()
    labels[data.indices("test")] = 0
    images = session.gallery(5).images
    blind = fine_tune(session, dataclasses.replace(data, labels=labels), epochs=1)
    assert np.array_equal(blind.probabilities(images), fine_tune(session, epochs=1).probabilities(images))
    with pytest.raises(BadInput, match="no labels"):
        fine_tune(session, dataclasses.replace(data, labels=None))
    with pytest.raises(BadInput, match="takes images of"):
        fine_tune(session, dataclasses.replace(data, images=data.images[:, :, :4]))


def test_it_begins_as_the_pretrained_encoder_that_knows_no_class(configure, store):
    session = Session(store, train(configure(), store))
    network = Network(session.encoder, session.code_dim, 10)
    x = torch.from_numpy(session.gallery(4).images)
    torch.testing.assert_close(network(x).softmax(1), torch.full((4, 10), 0.1))
