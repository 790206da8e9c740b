"""What a run remembers of its sends, for conditions: per step the latest visit, and for the whole run whatever was ever said.

A condition that names a step means its latest visit; one that names none means any message of the run. So what was
said about an earlier visit is not forgotten when the step is visited again: it moves to WHOLE_RUN.
"""

from __future__ import annotations

from msgspec.structs import replace

from dee_appliance.kernel.e1.run import Run, StepMemory

WHOLE_RUN = ""
"""The name under which stands what is about no step, or about an earlier visit of one."""


def remember_word(run: Run, step: str, visit: int, word: str) -> Run:
    """Return the run with a word that was said about one visit of a step (WHOLE_RUN and 0: about no send that is known)."""
    memory = run.memory.get(step, StepMemory())
    if visit < memory.visit:
        return _keep(run, WHOLE_RUN, run.memory.get(WHOLE_RUN, StepMemory()), (word,))
    if visit > memory.visit:
        run, memory = _new_visit(run, step, visit)
    return _keep(run, step, memory, (word,))


def remember_outcome(run: Run, step: str, visit: int, outcome: str) -> Run:
    """Return the run with the outcome of one visit of a send; that of an earlier visit has been overtaken."""
    memory = run.memory.get(step, StepMemory())
    if visit < memory.visit:
        return run
    if visit > memory.visit:
        run, memory = _new_visit(run, step, visit)
    return _keep(run, step, replace(memory, outcome=outcome), ())


def _new_visit(run: Run, step: str, visit: int) -> tuple[Run, StepMemory]:
    said = run.memory.get(step, StepMemory()).seen
    if said:
        run = _keep(run, WHOLE_RUN, run.memory.get(WHOLE_RUN, StepMemory()), said)
    return run, StepMemory(visit=visit)


def _keep(run: Run, step: str, memory: StepMemory, words: tuple[str, ...]) -> Run:
    new = tuple(word for word in words if word not in memory.seen)
    memory = replace(memory, seen=(*memory.seen, *new)) if new else memory
    return replace(run, memory={**run.memory, step: memory})
