"""usage: python drain3_klog.py LOG: templates of messages with Drain3."""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path

from drain3 import TemplateMiner
from drain3.masking import MaskingInstruction
from drain3.template_miner_config import TemplateMinerConfig

logging.disable(logging.INFO)
config = TemplateMinerConfig()
config.profiling_enabled = False
config.drain_sim_th = 0.4
config.masking_instructions = [
    MaskingInstruction(r"pvc-[0-9a-f-]{36}", "PVC"),
    MaskingInstruction(r"\d+\.\d+\.\d+\.\d+", "IP"),
    MaskingInstruction(r"\{.*\}", "JSON"),
]
miner = TemplateMiner(config=config)
header = re.compile(r"^([IWEF])\d{4} \S+ +\d+ [^:\]]+:\d+\] (.*)$")
records = 0
with Path(sys.argv[1]).open(encoding="utf-8", errors="replace") as lines:
    for line in lines:
        if found := header.match(line):
            records += 1
            miner.add_log_message(f"{found[1]} {found[2]}")
print("records", records)
