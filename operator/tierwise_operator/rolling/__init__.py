"""Rollouts on the cluster: what is seen of both sides, the pass that decides, what it writes."""
