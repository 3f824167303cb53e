"""Training of the segmenter on clips composed on the GPU, and on the real clips there are."""
