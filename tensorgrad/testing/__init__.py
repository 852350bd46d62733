"""Property tests of derivatives: checks, numerical derivatives, and the laws of operations."""

from tensorgrad.testing.checks import check_grad as check_grad
from tensorgrad.testing.given import given_grad as given_grad
from tensorgrad.testing.numerics.estimate import (
    Estimate as Estimate,
    numerical_jacobian as numerical_jacobian,
    numerical_jvp as numerical_jvp,
    numerical_vjp as numerical_vjp,
)
from tensorgrad.testing.operations import check_op as check_op
from tensorgrad.testing.pair import check_pair as check_pair
from tensorgrad.testing.report import (
    Finding as Finding,
    GradientError as GradientError,
    InconclusiveWarning as InconclusiveWarning,
    Report as Report,
    Verdict as Verdict,
)
from tensorgrad.testing.rules import check_vjp as check_vjp
