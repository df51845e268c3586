"""Generated messages and services of version 1; see the .proto files beside them."""
