"""Targets for fuzzing: each module has ``one(data: bytes)``, which checks laws and lets no exception pass that is none of ours.

``fuzz/run`` runs them with atheris; tests/test_fuzz_corpus.py replays the corpus without it.
"""
