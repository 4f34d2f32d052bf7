"""The kopf shell: observe, let the core decide, apply."""
