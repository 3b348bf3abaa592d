"""Bags of sentences that mention one entity pair: what the methods of distant supervision share."""
