"""Evaluations that several methods share."""
