"""Faults that a user can mend, each printed as one line: where, what, and what to do.

Every class also inherits the standard type that fits, so library users can catch either. Bugs are not wrapped: they
propagate with their traceback. A bad rollout is data (a verdict), never one of these.
"""


class DastError(Exception):
    """A user's fault; `dast.entry.run` prints it as one line and exits with status 1."""


class ParamsError(DastError, ValueError):
    """A params file that cannot be used: every fault is listed as `section.key: reason`."""


class TableError(DastError, ValueError):
    """A table whose columns, types or keys break its contract."""


class DataError(DastError, ValueError):
    """Input rows that cannot be used; names file, row and what to do."""


class ModelError(DastError, ValueError):
    """A model folder that cannot be loaded or does not fit its round."""


class EngineError(DastError, RuntimeError):
    """An engine that is not installed, or cannot serve what the params ask of it."""


class StoreError(DastError, RuntimeError):
    """A store of rollouts that cannot be used or written to, or that lacks what a replay needs."""


class GradingError(DastError, RuntimeError):
    """A share of ungraded rollouts that makes a stage's table useless."""


class GateError(DastError, RuntimeError):
    """A round that did worse than the params allow."""


class PublishError(DastError, RuntimeError):
    """Something that cannot be published as asked, or a Hub that refuses it or does not answer."""


class CommandError(DastError, RuntimeError):
    """A command line call that cannot be carried out, or a tool it needs that failed."""
