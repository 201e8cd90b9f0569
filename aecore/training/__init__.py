"""Find the weights: the training loop, the run it makes, and the queue of trainings."""
