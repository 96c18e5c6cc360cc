"""What both forms of the picture say in words."""

from typing import Literal

from stacks.picture.state import State
from stacks.spec import Cluster, MeshSpec

CONTROL_PORT = 15012
DATA_PORT = 15443

type_of_exposure = Literal["gateway", "internal-load-balancer", "load-balancer", "pod-ip"]
