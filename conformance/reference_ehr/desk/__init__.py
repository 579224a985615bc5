"""The EHR's own pages: charts, cards, orders and apps, as a clinician sees them in a browser.

They are how an EHR shows what CDS Hooks brings: cards with their suggestions, links and override reasons on opening a
chart, on choosing a drug and before signing; SMART apps inside the chart or beside it. Nothing here needs a script.
"""
