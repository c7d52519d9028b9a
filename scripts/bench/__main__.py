"""All benches that need no running stack: the kernel, then the pipeline from end to end."""

from __future__ import annotations

import subprocess
import sys

for bench in ("kernel", "pipeline"):
    print(f"== {bench}", flush=True)
    subprocess.run([sys.executable, "-m", f"scripts.bench.{bench}"], check=True)
