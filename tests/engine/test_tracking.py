"""What MLflow is given of a study."""

import polars as pl
from relab.tracking.view import flat


def test_a_table_with_vectors_can_be_written_as_csv() -> None:
    table = pl.DataFrame({"language": ["en", "zh"], "vector": [[0.5, 1.0], [2.0, -3.5]], "bag": [1, 2]})
    assert flat(table).write_csv() == "language,vector,bag\nen,0.5 1.0,1\nzh,2.0 -3.5,2\n"
    plain = pl.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    assert flat(plain).equals(plain)
