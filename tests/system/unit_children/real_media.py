"""The product's own media process, beside a screen that only takes notes."""

import runpy

runpy.run_module("diemcau_agent.media", run_name="__main__")
