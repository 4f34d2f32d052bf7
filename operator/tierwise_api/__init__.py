"""The custom resources as pydantic models; they generate `crds/`."""
