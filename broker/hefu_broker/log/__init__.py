"""The audit log: who may write, what is signed, who witnesses it, and what is handed on."""
