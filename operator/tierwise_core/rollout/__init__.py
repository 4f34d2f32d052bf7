"""Rollouts: every new revision proves itself on live traffic, or goes back.

``machine.decide`` is the whole decision: a rollout, what was measured since, and a time give a
plan.
"""
