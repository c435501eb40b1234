"""Published results of Hamman et al. (NeurIPS 2025, arXiv 2510.21631) as CSV: facts the paper reports, none of ours.

Accuracies are shares, mean and standard deviation over five runs; k counts all training texts. `certain` is `no` where
the row of a printed cell is in doubt. In `cost.csv` the GPU energy of kd at k = 64 (0.1362) stands as printed.
"""
