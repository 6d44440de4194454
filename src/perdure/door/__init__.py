"""The OpenAI-compatible door: durable agents as the models of `/v1/responses` and `/v1/chat/completions`.

A request becomes one invocation, and everything that is answered of it, streamed or whole, now or months
later, follows from that invocation and its stream: the door itself keeps nothing. So an answer is the same
whichever process gives it, and a stream can be read on from any event. What runs the invocations, the
embedded engine or a restate-server, stands behind the port of `port.py`.
"""
