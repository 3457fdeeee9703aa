"""What the harness refuses to read. Every number bounds memory or time against hostile files."""

FILE_BYTES = 4 << 30  # unpacked bytes of one table
COLUMNS = 20_000
ROWS = 50_000_000
CELL_BYTES = 1 << 20
NAME_CHARACTERS = 500  # a column name or a class label
CLASSES = 1_000
FILES_LISTED = 2_000_000
DESCRIPTION_CHARACTERS = 200_000
CSV_COPY_BYTES = 256 << 20  # above this a run folder holds parquet only
SHARE_ABOVE_BYTES = 1 << 30  # rows, tables and files; above this runs share one copy (solution contract, section 2)
BLOCK_BYTES = 16 << 20  # a CSV row must fit in one block
TABLES = 40  # tables beside train and test that are read
TABLES_BYTES = 1 << 30  # their bytes on disk together: every run gets a copy
MEDIA_BYTES = 4 << 30  # of the files that rows name: every run gets a copy of those of its rows
