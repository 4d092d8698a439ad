"""The Worker: Dragoman's edge with the JavaScript of this isolate."""

import js
from dragoman.edge import Edge
from dragoman.engine.javascript import JavaScript
from pyodide import ffi
from workers import WorkerEntrypoint, import_from_javascript

EDGE = Edge(JavaScript(js, ffi))


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        bindings = import_from_javascript("cloudflare:workers").env
        variables = {name: value for name, value in js.Object.entries(bindings) if isinstance(value, str)}
        return await EDGE.fetch(request.js_object, variables, self.ctx.waitUntil)
