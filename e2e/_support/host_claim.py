"""A claim on a folder of this machine, with its volume and a class of its own."""

from pathlib import Path
from typing import Any

import yaml


def host_claim(name: str, folder: Path, mode: str) -> list[dict[str, Any]]:
    """It binds when its first pod comes; class, volume and claim have one name."""
    text = f"""
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {{name: {name}}}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
---
apiVersion: v1
kind: PersistentVolume
metadata: {{name: {name}}}
spec:
  storageClassName: {name}
  capacity: {{storage: 1Gi}}
  accessModes: [ReadOnlyMany, ReadWriteMany]
  hostPath: {{path: {folder}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: {name}, namespace: default}}
spec:
  storageClassName: {name}
  accessModes: [{mode}]
  resources: {{requests: {{storage: 1Gi}}}}
"""
    return list(yaml.safe_load_all(text))
