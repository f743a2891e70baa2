"""Stepwell: a training-metrics service that speaks the SageMaker Metrics API."""

__version__ = "0.1.0"
