"""Twenty-one lessons, from one neuron to AlexNet: `python -m examples.lessons --help` says how to
take them."""
