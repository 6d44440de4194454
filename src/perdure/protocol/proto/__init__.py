"""The wire messages: `service_protocol.proto` and the module that protoc makes of it."""
