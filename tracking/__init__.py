"""Records of searches and where they go: a file, MLflow, figures. Nothing here is imported by `evo`."""

import logging

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # where it keeps its cache is told on stderr
