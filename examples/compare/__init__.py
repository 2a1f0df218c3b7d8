"""LeNet and AlexNet side by side on small data."""
