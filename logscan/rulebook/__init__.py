"""All that is done with rule files but matching: reading, checking, explaining, drafting.

``logscan.rules`` is the door: it loads the rules; nothing here is imported for a diagnosis
that finds them packed.
"""
