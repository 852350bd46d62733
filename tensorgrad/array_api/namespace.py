"""The constants of the standard, and what a library can ask the namespace about itself."""

from numpy import __array_namespace_info__, e, inf, nan, newaxis, pi

from tensorgrad.ops.methods import API_VERSIONS

__all__ = ["__array_api_version__", "__array_namespace_info__", "e", "inf", "nan", "newaxis", "pi"]

__array_api_version__ = API_VERSIONS[-1]
