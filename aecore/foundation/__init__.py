"""Foundations that know no autoencoder: errors, the home folder, files, metrics, geometry, progress."""
