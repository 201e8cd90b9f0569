"""The only file that spells session-state keys and URL parameters: what a link restores, and what a visitor keeps."""

IMAGE = "image"
LEVEL = "level"
NOISE = "noise"
SEED = "seed"
# Start
EXAMPLE = "example"
SECOND = "second"
"""The id of a run beside the first, on the same noise."""
LIVE_DENOISE = "denoise_live"
