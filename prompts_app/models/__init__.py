"""Tables of the prompts app."""

from prompts_app.models.delivery import DeliveryProcess, DeliverySeen
from prompts_app.models.environment import (
    Deployment,
    DeploymentKind,
    Environment,
    EnvironmentRevision,
    Freeze,
    LivePointer,
    PolicyVersion,
    Quarantine,
)
from prompts_app.models.label import VersionLabel
from prompts_app.models.observation import KEPT_PER_VERSION, Observation
from prompts_app.models.promotion import (
    EXPIRES_AFTER,
    PENDING,
    Approval,
    CheckDefinition,
    CheckDefinitionChange,
    CheckState,
    Comment,
    Override,
    Promotion,
    PromotionState,
    RequiredCheck,
    Side,
    Turn,
    VersionCheck,
    Vote,
    actions_in,
)
from prompts_app.models.prompt import Draft, Follow, Kind, Prompt, PromptVersion, VersionYank
from prompts_app.models.transfer import ImportSource, PendingPrompts
from prompts_app.models.usage import ServedVersion

__all__ = [
    "EXPIRES_AFTER",
    "KEPT_PER_VERSION",
    "PENDING",
    "Approval",
    "CheckDefinition",
    "CheckDefinitionChange",
    "CheckState",
    "Comment",
    "DeliveryProcess",
    "DeliverySeen",
    "Deployment",
    "DeploymentKind",
    "Draft",
    "Environment",
    "EnvironmentRevision",
    "Follow",
    "Freeze",
    "ImportSource",
    "Kind",
    "LivePointer",
    "Observation",
    "Override",
    "PendingPrompts",
    "PolicyVersion",
    "Promotion",
    "PromotionState",
    "Prompt",
    "PromptVersion",
    "Quarantine",
    "RequiredCheck",
    "ServedVersion",
    "Side",
    "Turn",
    "VersionCheck",
    "VersionLabel",
    "VersionYank",
    "Vote",
    "actions_in",
]
