"""The second fence against answers that are not safe to render.

A replay skips the private variable of cookiecutter.json that validates them. The next line does
the same again, while Cookiecutter renders this file: before the first file of the project.
"""
# {{ cookiecutter | validate }}
