"""Names of functions and methods that read, join, cut or hand on the rows of tables."""

from __future__ import annotations

# Roots of libraries whose functions hand the rows of their first argument on.
TABLES = frozenset("numpy pandas torch scipy cupy cudf polars tensorflow xarray jax".split())
READS = frozenset(
    "read_csv read_excel read_parquet read_feather read_json read_pickle read_hdf read_table "
    "read_sql read_sql_query load loadtxt genfromtxt loadmat date_range arange linspace zeros ones "
    "full rand randn randint random eye empty read_html read_stata normal uniform choice "
    "from_file range zeros_like ones_like".split()
)
JOINS = frozenset(
    "concat concatenate vstack hstack column_stack row_stack stack dstack append merge cat "
    "r_ c_ block".split()
)
JOIN_METHODS = frozenset("join merge append assign concat with_columns insert".split())
# Methods that leave some rows out.
RESTRICTS = frozenset(
    "sample query head tail nlargest nsmallest groupby resample truncate between_time "
    "get_group filter where".split()
)
ITERATES = frozenset("list tuple sorted reversed map zip filter dict".split())
DATASETS = frozenset(f"torch.utils.data.{n}" for n in ("TensorDataset", "ConcatDataset", "Subset"))
