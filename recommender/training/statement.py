"""What a trained model says of itself, wherever it is shown."""

STATEMENT = (
    "Trained on simulated adults with major depression, drawn from published evidence: a network"
    " meta-analysis of 522 antidepressant trials (GRISELDA) for the drugs, STAR*D and an individual-patient"
    " meta-analysis for prognosis, trials and labels for side effects. It was not trained on patients of any hospital,"
    " and has not been validated on patients."
)
LIMITS = (
    "External validation on patients: none.",
    "Base rates are those of the trials: the placebo arms' rate for patients without a failed trial, moved"
    " by each drug's odds ratio. A site's rates may differ; the intervals show how far published cohorts do.",
    "No patient trait is known to change which drug works best: by benefit, drugs keep one order for all."
    " Safety rules, the patient's own weights and, for stopping, the level of a drug by genotype make the difference.",
    "Failed trials do not change stopping: no verified figure was found.",
    "STAR*D steps are cohorts of those who went on, so part of a step's effect may be who they were.",
    "PHQ-9 stands for the trials' rating scales; GAD-7 and the problem list stand for anxious depression.",
    "Where a feature is not known, the cohort's spread stands in for it; most of that spread is assumed.",
    "Rates are for acute treatment as in the trials; nothing is said of staying on a drug that did not help.",
    "Odds ratios are averages over the trials' patients, taken as they are for each patient.",
    "Side effects are predicted only for drugs with a verified figure, and from that figure alone.",
    "The course of PHQ-9 within eight weeks is the simulator's: its bands say how little one can know of one patient.",
)
