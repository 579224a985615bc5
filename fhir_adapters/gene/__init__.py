"""Genotypes and phenotypes, from codes or words."""
