"""Distribution functions: those of scipy, which is loaded once one is asked for, so that a process starts 0.15 s sooner."""

from __future__ import annotations


def normal_cdf(z: float) -> float:
    """P(Z ≤ z) of the standard normal distribution."""
    from scipy.special import ndtr

    return float(ndtr(z))


def normal_quantile(p: float) -> float:
    """The z with P(Z ≤ z) = p."""
    from scipy.special import ndtri

    return float(ndtri(p))


def t_quantile(degrees: float, p: float) -> float:
    """The t with P(T ≤ t) = p, of Student's distribution with so many degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, p))


def binomial_cdf(k: int, n: int) -> float:
    """P(K ≤ k) in n throws of a fair coin."""
    from scipy.special import bdtr

    return float(bdtr(k, n, 0.5))


def binomial_tail(k: int, n: int) -> float:
    """P(K > k) in n throws of a fair coin."""
    from scipy.special import bdtrc

    return float(bdtrc(k, n, 0.5))
