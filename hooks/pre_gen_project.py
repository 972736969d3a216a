"""Validate the answers once more, because a replay skips private variables like `__validated`.

The filter runs while Cookiecutter renders this file, which is before it writes the first file of
the project.
"""
# {{ cookiecutter | validate }}
