"""Runs on disk: list, create, finish, delete, export and import them."""
