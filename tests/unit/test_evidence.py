"""The evidence rows: what counts, what does not, and what they add up to."""

import csv
import io
import math
from importlib.resources import files

import pytest

from recommender.cohort import evidence as evidences
from recommender.cohort.columns import ATTRIBUTES, CORE_OUTCOMES, MODEL_FEATURES, OUTCOMES, SIDE_EFFECTS
from recommender.cohort.evidence import logit, mask_groups, parse, point_estimates, standard_errors, usable
from recommender.cohort.rows import FILES, NOT_USED
from recommender.errors import KnowledgeError

EVIDENCE = evidences.load()
KNOWLEDGE = files("recommender") / "knowledge"
FOLDER = KNOWLEDGE / "evidence"
HEADER = (FOLDER / "side_effects.csv").read_text("utf-8").splitlines()[0]


def _read(name, folder=FOLDER):
    return list(csv.DictReader(io.StringIO((folder / name).read_text("utf-8"))))


def _tables(**changed):
    raw = {name: (FOLDER / name).read_bytes() for name in FILES}
    return raw | {name.replace("__", "."): value for name, value in changed.items()}


def _side_effects(*rows):
    lines = [
        f"{drug},{effect},{measure},0,0,{rate},100,{log_or},{se},{tau},,here,2026-11-22,{verified}"
        for drug, effect, measure, rate, log_or, se, tau, verified in rows
    ]
    return parse(_tables(side_effects__csv="\n".join((HEADER, *lines)).encode()))


@pytest.mark.parametrize("name", FILES)
def test_every_evidence_row_names_source_date_and_whether_it_was_verified(name):
    """No evidence row lacks a source, a date or a yes or no on verification."""
    for row in _read(name):
        assert row["source"]
        assert row["date"]
        assert row["verified"] in {"yes", "no"}


def test_the_network_covers_21_drugs_on_every_outcome_of_the_trials():
    """All 21 drugs of the network meta-analysis have a verified effect on all four outcomes of the trials."""
    assert len(EVIDENCE.drugs) == 21
    assert all(tuple(effects)[:4] == CORE_OUTCOMES for effects in EVIDENCE.drugs.values())


def test_an_unverified_drug_row_leaves_the_drug_out():
    """One unverified outcome of the trials is enough for a drug to have no evidence."""
    raw = (FOLDER / "antidepressant_effects.csv").read_text("utf-8").splitlines(keepends=True)
    raw[1] = raw[1].replace(",yes", ",no")
    without = parse(_tables(antidepressant_effects__csv="".join(raw).encode()))
    assert set(EVIDENCE.drugs) - set(without.drugs) == {"agomelatine"}


@pytest.mark.parametrize(
    ("name", "counted"), [("prognostic_effects.csv", "prognosis"), ("moderators.csv", "moderators")]
)
def test_rows_without_a_verified_figure_have_no_effect(name, counted):
    """Every effect that counts has a verified row with a figure, and every other row is left out."""
    with_figure = [row for row in _read(name) if row["verified"] == "yes" and row["log_odds"]]
    assert len(with_figure) == len(getattr(EVIDENCE, counted))
    assert len(with_figure) < len(_read(name))


@pytest.mark.parametrize("row", [row for row in _read("prognostic_effects.csv") if row["rate"]])
def test_prognostic_log_odds_follow_from_the_rates_that_were_read(row):
    """Each log-odds that stands beside two rates is the difference of their logits."""
    assert float(row["log_odds"]) == pytest.approx(
        logit(float(row["rate"])) - logit(float(row["reference_rate"])), abs=1e-4
    )


def test_the_effect_of_severity_follows_from_the_variance_that_it_explains():
    """The severity coefficient is that of 16 % of variance explained, on the logistic scale."""
    severity = next(p for p in EVIDENCE.prognosis if p.feature == "phq9_total")
    assert severity.log_odds == pytest.approx(-math.sqrt(0.16 / 0.84) * math.pi / math.sqrt(3), abs=1e-4)


def test_the_effect_of_maltreatment_is_the_odds_ratio_of_its_review():
    """Maltreatment takes the log of 1.43 from remission and response, and no feature of the model shows it."""
    found = [p for p in EVIDENCE.prognosis if p.feature == "childhood_maltreatment"]
    assert {p.outcome for p in found} == {"remission", "response"}
    for effect in found:
        assert effect.log_odds == pytest.approx(-math.log(1.43), abs=1e-4)
        assert effect.seen_as == ()


@pytest.mark.parametrize(("phenotype", "fold"), [("Poor", 3.3), ("Rapid", 1.6), ("Ultrarapid", 3.0)])
def test_a_phenotype_moves_stopping_by_half_the_log_of_the_fold_that_was_read(phenotype, fold):
    """The moderators of stopping on escitalopram are half the log of the switching ratios of their source."""
    found = [m for m in EVIDENCE.moderators if m.phenotype.split()[0] == phenotype]
    assert [(m.outcome, m.ingredient, m.gene) for m in found] == [("stopping", "escitalopram", "CYP2C19")]
    assert found[0].log_odds == pytest.approx(math.log(fold) / 2, abs=1e-3)
    assert found[0].prior_sd == found[0].log_odds


def test_no_gene_moves_remission():
    """Genes have no effect on remission or response: the published figures contradict each other."""
    assert {m.outcome for m in EVIDENCE.moderators} == {"stopping"}


def test_a_row_that_cannot_be_read_is_refused_by_file_and_line():
    """A row with a word where a figure belongs raises U-KNOWLEDGE-ROW naming file and line."""
    bad = (FOLDER / "interaction_scales.csv").read_bytes().replace(b"0.17,", b"some,")
    with pytest.raises(KnowledgeError, match=r"U-KNOWLEDGE-ROW: evidence/interaction_scales.csv row 3"):
        parse(_tables(interaction_scales__csv=bad))


@pytest.mark.parametrize("name", ["groups.csv", "phenotype_shares.csv"])
def test_shares_that_do_not_add_up_are_refused(name):
    """Groups or phenotypes whose shares are not 1 in all raise U-KNOWLEDGE-ROW."""
    raw = (FOLDER / name).read_text("utf-8").splitlines(keepends=True)
    with pytest.raises(KnowledgeError, match="do not add up to 1"):
        parse(_tables(**{name.replace(".", "__"): "".join(raw[:-1]).encode()}))


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_in_any_table_changes_the_evidence_version(name):
    """Two sets of evidence tables that differ in one byte have different versions."""
    changed = (FOLDER / name).read_bytes() + b"\n"
    assert parse(_tables()).version == EVIDENCE.version
    assert parse(_tables(**{name.replace(".", "__"): changed})).version != EVIDENCE.version


def test_a_side_effect_counts_for_a_drug_only_with_a_comparable_verified_figure():
    """Unverified rows, rows that are not used and rows without a log-odds ratio give a drug no side effect."""
    found = _side_effects(
        ("sertraline", "insomnia", "insomnia", 0.1, 0.7, 0.1, "", "yes"),
        ("paroxetine", "insomnia", "insomnia", 0.2, 0.4, 0.2, "", "yes"),
        ("duloxetine", "insomnia", "insomnia", 0.2, 0.4, 0.2, "", "no"),
        ("bupropion", "insomnia", f"{NOT_USED}: one trial", 0.2, 0.4, 0.2, "", "yes"),
        ("trazodone", "insomnia", "insomnia", 0.2, "", "", "", "yes"),
    )
    assert {name for name, effects in found.drugs.items() if "insomnia" in effects} == {"sertraline", "paroxetine"}
    assert found.placebo["insomnia"] == pytest.approx(0.15)
    assert found.spread["insomnia"] > 0


def test_a_side_effect_with_one_placebo_rate_is_known_of_no_drug():
    """Without two placebo rates nobody can say how rates differ, and the side effect is not predicted."""
    found = _side_effects(("mirtazapine", "weight-gain", "7 %", 0.01, 4.0, 1.4, "", "yes"))
    assert "weight-gain" not in found.placebo
    assert all("weight-gain" not in effects for effects in found.drugs.values())


def test_two_sources_of_one_side_effect_are_pooled_by_their_precision():
    """Two verified rows of a drug give the mean weighted by inverse variance, with a smaller standard error."""
    found = _side_effects(
        ("sertraline", "sedation", "somnolence", 0.1, 0.6, 0.1, "", "yes"),
        ("sertraline", "sedation", "somnolence", 0.1, 0.9, 0.2, "", "yes"),
        ("*", "sedation", "", "", "", "", 0.25, "yes"),
    ).drugs["sertraline"]["sedation"]
    assert found.log_or == pytest.approx((0.6 / 0.01 + 0.9 / 0.04) / (1 / 0.01 + 1 / 0.04))
    assert found.se == pytest.approx((1 / 0.01 + 1 / 0.04) ** -0.5)
    assert found.tau == 0.25


def test_what_is_not_known_of_a_drug_has_no_number():
    """Estimate and errors of a drug's side effect are numbers exactly where a row counts."""
    estimates, (se, tau) = point_estimates(EVIDENCE), standard_errors(EVIDENCE)
    for d, effects in enumerate(EVIDENCE.drugs.values()):
        for o, outcome in enumerate(OUTCOMES):
            for table in (estimates, se, tau):
                assert math.isnan(table[d, o]) == (outcome not in effects)


@pytest.mark.parametrize("row", _read("drug_attributes.csv"))
def test_drug_attributes_are_those_of_the_formulary_and_the_gene_guidance(row):
    """A drug's class is the formulary's, unknown where it is not in it, and its genes those of verified guidance."""
    classes = {one["ingredient"]: one["drug_class"] for one in _read("formulary.csv", KNOWLEDGE)}
    guided = [
        one["genes"].split("+")
        for one in _read("pgx_guidance.csv", KNOWLEDGE)
        if one["drug"] == row["ingredient"] and one["verified"] == "yes"
    ]
    known = classes.get(row["ingredient"], "")
    assert row["drug_class"] == known
    for name in ("ssri", "snri", "tca"):
        assert row[name] == (str(int(known == name)) if known else "")
    for gene in ("CYP2C19", "CYP2D6"):
        assert row[f"{gene.lower()}_guided"] == str(int(any(gene in genes for genes in guided)))


def test_every_drug_of_the_network_has_its_attributes():
    """The attribute table holds each drug of the network, and no attribute that the model does not have."""
    assert set(EVIDENCE.attributes) == set(EVIDENCE.drugs)
    assert {name for one in EVIDENCE.attributes.values() for name in one} <= set(ATTRIBUTES)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("remission", {"phq9_total", "antidepressant_trials", "log_or_remission"}),
        ("response", {"antidepressant_trials", "gad7_total", "anxiety_disorder", "log_or_response"}),
        ("stopping", {"log_or_stopping", "log_exposure"}),
        ("adverse-event-stopping", {"gad7_total", "anxiety_disorder", "log_or_adverse_event_stopping"}),
        *((effect, {f"log_or_{effect.replace('-', '_')}"}) for effect in SIDE_EFFECTS),
    ],
)
def test_only_features_behind_a_verified_figure_may_move_an_outcome(outcome, expected):
    """The usable features of an outcome are those of its verified prognosis, its own term and its moderators."""
    assert usable(outcome, EVIDENCE) == expected
    assert expected <= set(MODEL_FEATURES)


def test_mask_groups_hold_every_patient_feature_once():
    """Each patient feature is missing with exactly one group."""
    held = [name for group in mask_groups(EVIDENCE).values() for name in group]
    assert sorted(held) == sorted(evidences.PATIENT_FEATURES)
