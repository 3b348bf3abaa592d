"""Readers, generators and descriptions of the corpora that the methods train on."""
