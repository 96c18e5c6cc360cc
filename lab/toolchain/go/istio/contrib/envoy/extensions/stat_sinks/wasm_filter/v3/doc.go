package contrib
