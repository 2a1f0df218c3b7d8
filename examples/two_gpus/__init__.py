"""AlexNet as it was trained in 2012: in two halves, on two GPUs."""
