"""The error of a model that cannot be used or trained."""


class ModelError(Exception):
    """The artefact or its card cannot be used, or a model cannot be trained; the message says which file and what to do."""
