"""What both halves need to be seen from outside: trace context, spans, the format of log records.

It knows neither the engine nor agents, and costs nothing where no OpenTelemetry SDK is configured.
"""
