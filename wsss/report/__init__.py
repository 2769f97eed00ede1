"""Result records, and the tables and figures that are drawn from them. Nothing is computed anew here.

`records` builds, writes and finds records; `tables` and `figures` draw them; `pictures` shows images, maps and labels;
`style` holds the colours and saves figures.
"""
