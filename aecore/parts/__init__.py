"""The parts of an autoencoder: their contracts, one package a kind of part, and what builds and loads them."""
