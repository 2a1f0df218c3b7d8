"""The answers to the exercises, each a program that proves what it says."""
