"""HTTP: the two AWS operations as bare ASGI functions in front, everything else on Starlette."""
