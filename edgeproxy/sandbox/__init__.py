"""Our own emulator of Snap's Conversions API, v2 and v3, as strict as Snap documents itself.

A second reading of Snap's documentation, used by the demo, by tests and by users: it judges what it
gets, counts repetitions as Snap would, plays faults on order, and shows all of it. It shares
nothing with the code that makes the events.
"""

from edgeproxy.sandbox.alone import run
from edgeproxy.sandbox.app import sandbox_app, serve_sandbox
from edgeproxy.sandbox.state import Sandbox

__all__ = ["Sandbox", "run", "sandbox_app", "serve_sandbox"]
