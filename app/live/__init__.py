"""The model under the pointer: what runs in the visitor's own browser."""
