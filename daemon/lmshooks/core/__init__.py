"""The pure machine: every decision lmshooks takes, and nothing else.

Nothing in this package imports a clock, randomness, asyncio, a logger, Kafka, HTTP or YAML. What happened comes in with
`now` as an argument (seconds since the epoch, never going backwards); what is to be done goes out as commands, what
became true as facts.
"""
