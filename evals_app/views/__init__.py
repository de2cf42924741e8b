"""Pages of suites, runs and providers."""
