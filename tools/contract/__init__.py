"""Generators of the contract's twins: TypeScript, C++, JSON Schema, AsyncAPI and OpenAPI, all from `broker/contract`."""
