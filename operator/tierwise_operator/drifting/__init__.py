"""Watches whether models are still as useful as they were, and has those trained that are not."""
