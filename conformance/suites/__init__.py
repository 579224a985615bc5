"""What is checked: one package a suite, each with its probe and its checks."""
