"""The parts of an autoencoder: their contracts, one package per kind of part, and shared building blocks."""
