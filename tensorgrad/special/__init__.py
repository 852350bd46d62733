"""The functions of `scipy.special`, differentiable: SciPy's own, under SciPy's names.

Its universal functions are SciPy's themselves, which take Tensors; the rest are written here.

Examples
--------
>>> import numpy as np
>>> import tensorgrad as tg
>>> from tensorgrad import special
>>> tg.grad(special.gammaln)(3.0).round(6)
np.float64(0.922784)

It makes no difference where a function comes from, nor whether this module was imported before.

>>> import scipy.special
>>> x = tg.tensor([0.0, 1.0], requires_grad=True)
>>> y = scipy.special.erf(x)
>>> y.sum().backward()
>>> x.grad.numpy().round(6)
array([1.128379, 0.415107])
"""

from tensorgrad.special.bessel import *  # noqa: F403
from tensorgrad.special.elementary import *  # noqa: F403
from tensorgrad.special.entropy import *  # noqa: F403
from tensorgrad.special.error import *  # noqa: F403
from tensorgrad.special.gamma import *  # noqa: F403
from tensorgrad.special.integrals import *  # noqa: F403
from tensorgrad.special.softmax import *  # noqa: F403
