"""What trainlint keeps on the disk: cached results, locks, the journal and atomic writes."""
