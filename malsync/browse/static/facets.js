// What Datasette's own page says in a script of its own, which our policy forbids.
window.DATASETTE_ALLOW_FACET = true;
