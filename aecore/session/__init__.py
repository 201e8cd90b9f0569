"""Look at a trained run: codes, reconstructions, walks, distances, exports."""
