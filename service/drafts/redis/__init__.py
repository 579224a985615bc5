"""The store on Redis: one script a step, receipts on this host for what people decided."""
