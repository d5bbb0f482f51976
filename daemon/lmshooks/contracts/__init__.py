"""What may others build on? The contracts with producers, listeners and operators, generated from the code.

core/catalogue.py, core/events.py  ──> shapes.py, schemas.py ──> JSON Schema of records and bodies
core/retrying.py                   ──> answers.py ──┐
adapters/                          ─────────────────┴──> asyncapi.py, openapi.py
"""
