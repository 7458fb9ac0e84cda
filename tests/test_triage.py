"""Triage: which files a rule may have something to say about."""

from __future__ import annotations

from trainlint.triage import ALWAYS, all_of, any_of, mentioned, together


def test_all_groups_are_needed_and_one_word_of_each() -> None:
    needs = all_of(any_of("BCELoss", "binary_cross_entropy"), "backward")
    assert needs.met(mentioned(b"nn.BCELoss(); loss.backward()", [needs]))
    assert not needs.met(mentioned(b"nn.BCELoss()", [needs]))
    assert not needs.met(mentioned(b"loss.backward()", [needs]))


def test_a_word_counts_inside_a_longer_one() -> None:
    needs = any_of("softmax")
    assert needs.met(mentioned(b"F.log_softmax(x)", [needs]))


def test_a_word_that_is_no_identifier_is_looked_for_as_it_stands() -> None:
    needs = all_of("fit(", "%")
    assert needs.met(mentioned(b"if i % k: model.fit(x)", [needs]))
    assert not needs.met(mentioned(b"model.fit (x) % 2", [needs]))


def test_a_rule_without_needs_sees_every_file() -> None:
    assert ALWAYS.met(mentioned(b"", [ALWAYS]))


def test_words_together_are_whole_identifiers_all_of_which_must_stand_there() -> None:
    needs = any_of(
        together("numpy", "product|msort"), together("sklearn", "Lasso|LassoLars", "normalize")
    )
    assert needs.met(mentioned(b"import numpy as np\nnp.product(x)", [needs]))
    assert needs.met(mentioned(b"from sklearn import *; LassoLars(normalize=True)", [needs]))
    assert not needs.met(mentioned(b"import numpy\nproducts = 1; LassoLars(normalize=1)", [needs]))


def test_a_pattern_is_looked_for_beside_its_words() -> None:
    needs = any_of(together("numpy", "float", pattern=r"\.float\b(?!\(\))"))
    assert needs.met(mentioned(b"import numpy as np\nx.astype(np.float)", [needs]))
    assert not needs.met(mentioned(b"import numpy\nfloat(x); tensor.float()", [needs]))
    assert not needs.met(mentioned(b"tensor.float; float", [needs]))


def test_a_pattern_behind_a_word_begins_where_a_whole_identifier_ends() -> None:
    needs = any_of(together("sklearn", "Lasso|normalize", behind=r"\s*=(?!=)"))
    assert needs.met(mentioned(b"import sklearn\nfit(\n    normalize = True)", [needs]))
    assert needs.met(mentioned(b"sklearn; normalize_all; normalize(normalize=1)", [needs]))
    assert not needs.met(mentioned(b"sklearn; normalize == 1; renormalize=1", [needs]))
    assert not needs.met(mentioned(b"normalize=1", [needs]))
