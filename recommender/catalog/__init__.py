"""Knowledge as checked rows: loading, packs, consistency."""
