"""The only place where rules make edits: each function returns the smallest, or says why not.

All of them are pure. They raise ``Unfixable`` where the edit cannot be made correctly, and
``together`` makes one group of what several of them return.
"""

from trainlint.rewrite.activations import move_activation, place_of
from trainlint.rewrite.arguments import (
    add_argument,
    add_arguments,
    insert_argument_first,
    name_arguments,
    remove_argument,
    remove_arguments,
    rename_keyword,
    replace_arguments,
    respell_arguments,
    set_argument,
    shift_arguments,
)
from trainlint.rewrite.blocks import add_decorator, dedent, leave, move, wrap_in_with
from trainlint.rewrite.calls import pass_arguments, rename_function
from trainlint.rewrite.changed import in_new_form
from trainlint.rewrite.clauses import catch, remove_spans
from trainlint.rewrite.criteria import entangled, to_logits_form
from trainlint.rewrite.expressions import replace, unwrap, wrap
from trainlint.rewrite.flush import step_behind_loop
from trainlint.rewrite.imports import (
    add_import,
    remove_import_name,
    remove_import_names,
    rename_import,
    replace_import_name,
    unused_after,
)
from trainlint.rewrite.logarithms import to_log_softmax
from trainlint.rewrite.moves import Moves
from trainlint.rewrite.places import Unfixable, together
from trainlint.rewrite.precedence import Precedence
from trainlint.rewrite.schedules import with_one_more_step
from trainlint.rewrite.splits import fit_behind_split
from trainlint.rewrite.stand_ins import stand_in_doubt
from trainlint.rewrite.statements import delete, insert_after, insert_before
from trainlint.rewrite.windows import counted_from_one, sized_tail, step_on_last_batch
from trainlint.rewrite.wrappings import normalize_around, sigmoid_around

__all__ = [
    "Moves",
    "Precedence",
    "Unfixable",
    "add_argument",
    "add_arguments",
    "add_decorator",
    "add_import",
    "catch",
    "counted_from_one",
    "dedent",
    "delete",
    "entangled",
    "fit_behind_split",
    "in_new_form",
    "insert_after",
    "insert_argument_first",
    "insert_before",
    "leave",
    "move",
    "move_activation",
    "name_arguments",
    "normalize_around",
    "pass_arguments",
    "place_of",
    "remove_argument",
    "remove_arguments",
    "remove_import_name",
    "remove_import_names",
    "remove_spans",
    "rename_function",
    "rename_import",
    "rename_keyword",
    "replace",
    "replace_arguments",
    "replace_import_name",
    "respell_arguments",
    "set_argument",
    "shift_arguments",
    "sigmoid_around",
    "sized_tail",
    "stand_in_doubt",
    "step_behind_loop",
    "step_on_last_batch",
    "to_log_softmax",
    "to_logits_form",
    "together",
    "unused_after",
    "unwrap",
    "with_one_more_step",
    "wrap",
    "wrap_in_with",
]
