"""The `tierwise` command."""
