"""From the detector to the jobs of the workers: takes frames in, keeps account of each, shares them out."""
