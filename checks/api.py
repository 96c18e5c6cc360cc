"""The API server of a cluster, for an account with few permissions."""

from dataclasses import dataclass
from typing import Any

from kube.api import UnansweredError
from kube.pods import PodApi


class ForbiddenError(Exception):
    """The caller's account lacks a permission that a check needs."""


@dataclass(frozen=True)
class ReadingApi(PodApi):
    """`PodApi` for an account with few permissions: a missing permission is not a failure."""

    def _ask(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super()._ask(*arguments, **options)
        except UnansweredError as error:
            if error.status == 403:
                raise ForbiddenError(str(error)) from None
            raise

    def _execute(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super()._execute(*arguments, **options)
        except UnansweredError as error:
            if error.status == 403 or self._login.impersonates:
                raise ForbiddenError(str(error)) from None
            raise
