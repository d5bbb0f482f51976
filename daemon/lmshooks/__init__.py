"""lmshooks: learning events from Kafka to webhooks."""

__version__ = "0.1.0"
