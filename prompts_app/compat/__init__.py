"""Surfaces of other products, so that clients which teams already have keep working; the rules are ours."""
