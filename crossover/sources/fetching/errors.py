"""Why a fetch failed, in words that say what to do."""


class FetchError(RuntimeError):
    """A part of a cohort could not be fetched, verified or unpacked."""


class Moved(FetchError):
    """The server has nothing at the address."""


class WrongChecksum(FetchError):
    """What was downloaded is not what the registry or the server says; it was moved aside."""
