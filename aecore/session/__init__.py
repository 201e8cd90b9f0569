"""A run opened for looking: codes, reconstructions, walks, distances, exports."""
