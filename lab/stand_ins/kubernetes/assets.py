"""Files that a program hands over: Pulumi's asset values, given to helm as file names."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Any, cast

from lab.stand_ins.servicer import ProviderError
from lab.stand_ins.values import SIGNATURE, Object

_ASSET = "c44067f5952c0a294b673a41bacd8c17"


def file_name(value: Any, files: ExitStack, fds: list[int]) -> str:
    """Give a name under which a child process finds the asset's content.

    Text becomes a file in memory: nothing to clean up, nothing left by a killed process. Its
    descriptor is added to `fds`, which the child must inherit; `files` closes it.
    """
    asset = cast(Object, value) if isinstance(value, dict) else {}
    if asset.get(SIGNATURE) != _ASSET:
        raise ProviderError("expected a file, text or remote asset")
    if where := asset.get("path") or asset.get("uri"):
        return str(where)
    return in_memory(str(asset.get("text") or ""), files, fds)


def in_memory(text: str, files: ExitStack, fds: list[int]) -> str:
    """Give a name for a text, readable only by this process and its children."""
    descriptor = os.memfd_create("pulumi-kubernetes")
    files.callback(os.close, descriptor)
    os.write(descriptor, text.encode())
    fds.append(descriptor)
    return f"/proc/self/fd/{descriptor}"
