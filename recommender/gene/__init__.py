"""Pharmacogenomics: alleles to guidance."""
