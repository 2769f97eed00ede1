"""Speed, side by side with what people use today: `wsss bench`.

A part is a function from `Effort` to `Measured`; `benchmarks.run` lists them. Libraries that `wsss` is compared with are imported
inside the parts alone and come with the extra `bench`.
"""
