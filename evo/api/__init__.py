"""What evonum does, as plain functions: what the command line, Python and a service call, and nothing below.

In: words as a user has them (names of targets, directories, options of a search). Out: fronts, members,
certificates, texts; progress and questions go through a `Watcher`. What can go wrong is an `EvonumError`,
whose kind says whose fault it is (evo/errors.py).
"""

from evo.api.directories import clean, searches
from evo.api.exporting import Exported, check_library, export, export_library, export_source, library
from evo.api.functions import MAX_CLASSICAL, baselines, check_target, complete, drawn, targets
from evo.api.pictures import draw, draw_timings
from evo.api.records import (
    Run,
    dashboard,
    dashboard_of,
    deliver,
    deliver_all,
    is_delivering,
    run_of,
    store_of,
    undelivered,
)
from evo.api.searching import (
    check_entries,
    check_search,
    cluster_trouble,
    local_sink,
    read_entries,
    resume,
    search,
)
from evo.api.sources import (
    check_certificate,
    check_source,
    front,
    refuse_false,
    refuse_unmet,
    time_source,
    verify,
    verify_source,
)
from evo.backends.backend import BACKENDS
from evo.bench.functions import FLOOR, Timing
from evo.classical.baselines import Baseline, best_forms
from evo.classical.families import FAMILIES
from evo.complete.fitting import STARTS
from evo.complete.result import Completed
from evo.complete.run import Stage
from evo.costs.model import CostModel
from evo.errors import EvonumError
from evo.exports.backwards import Backwards
from evo.exports.check import Checked
from evo.exports.export import EXPORT_FORMATS
from evo.floats.requirements import KINDS as REQUIREMENTS
from evo.fronts.figures import Figures
from evo.fronts.front import Front, Member
from evo.fronts.verify import Verified
from evo.kernels.words import MOST_OPS
from evo.library.checks import refuse_changed
from evo.library.shelf import Point, Shipped
from evo.proofs.certificate import Certificate
from evo.runs.housekeeping import Kept, Leftover
from evo.runs.journal import Progress
from evo.runs.search import CHANGES
from evo.runs.session import End, Watcher
from evo.runs.spec import SearchSpec
from evo.runs.standing import Standing, standing
from evo.targets.metric import METRICS
from evo.targets.target import Target
from tracking.patience import within

__all__ = [
    "BACKENDS", "CHANGES", "EXPORT_FORMATS", "FAMILIES", "FLOOR", "MAX_CLASSICAL", "METRICS", "MOST_OPS",
    "REQUIREMENTS", "STARTS", "Backwards", "Baseline", "Certificate", "Checked", "Completed", "CostModel",
    "End", "EvonumError", "Exported", "Figures", "Front", "Kept", "Leftover", "Member", "Point", "Progress",
    "Run", "SearchSpec", "Shipped", "Stage", "Standing", "Target", "Timing", "Verified", "Watcher",
    "baselines", "best_forms", "check_certificate", "check_entries", "check_library", "check_search",
    "check_source", "check_target", "clean", "cluster_trouble", "complete", "dashboard", "dashboard_of",
    "deliver", "deliver_all", "draw", "draw_timings", "drawn", "export", "export_library", "export_source",
    "front", "is_delivering", "library", "local_sink", "read_entries", "refuse_changed", "refuse_false",
    "refuse_unmet", "resume", "run_of", "search", "searches", "standing", "store_of", "targets",
    "time_source", "undelivered", "verify", "verify_source", "within",
]  # fmt: skip
