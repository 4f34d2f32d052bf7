"""The custom resources as pydantic models; they generate `crds/`.

One model per kind, `spec` and `status` inside, snake_case in Python and camelCase on the wire::

    specialist = Specialist.model_validate(yaml.safe_load(text))  # what a person wrote: strict
    specialist = Specialist.from_cluster(body)  # what an API server stored: newer fields skipped
    specialist.to_dict()  # and back

A ``pydantic.ValidationError`` becomes lines for people by `problems`.
"""

from tierwise_api.base import API_VERSION, GROUP, VERSION, ObjectMeta, Resource, problems
from tierwise_api.common import Condition, condition_of
from tierwise_api.fieldprofile import FieldProfile
from tierwise_api.gputier import GPUTier
from tierwise_api.rollout import Rollout
from tierwise_api.routerpolicy import RouterPolicy
from tierwise_api.specialist import GENERAL_FIELD, Specialist
from tierwise_api.tenant import Tenant

__all__ = [
    "API_VERSION",
    "GENERAL_FIELD",
    "GROUP",
    "KINDS",
    "VERSION",
    "Condition",
    "FieldProfile",
    "GPUTier",
    "ObjectMeta",
    "Resource",
    "Rollout",
    "RouterPolicy",
    "Specialist",
    "Tenant",
    "condition_of",
    "problems",
]

KINDS: tuple[type[Resource], ...] = (
    GPUTier,
    Specialist,
    Rollout,
    FieldProfile,
    RouterPolicy,
    Tenant,
)
"""Every kind of the group, in the order a reader meets them."""
