"""The version of the package, kept here alone so that an uninstalled checkout has it too."""

__version__ = "0.1.0"
