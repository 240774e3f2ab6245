"""The compiled part of the service; all else is said in pyproject.toml."""

from setuptools import Extension, setup

setup(ext_modules=[Extension("python_web._letters", ["native/letters.c"])])
