"""Faults to plant in a copy of the tree, and the tests that must turn red then."""

from __future__ import annotations

from dataclasses import dataclass

SIMULATION = "tests/simulation/test_seeds.py::test_every_promise_is_kept"
EVERY_PROCESS = "tests/simulation/test_seeds.py::test_a_seed_is_the_same_run_in_every_process"
WORKER = "tests/unit/stream_agents/test_worker.py::"
ENGINE = "tests/unit/stream_agents/test_engine.py::"


@dataclass(frozen=True, slots=True)
class Plant:
    """A fault as a change of text.

    Args:
        old: Stands in the file exactly once.
        caught_by: Tests that each fail with the fault, and pass without it.
    """

    name: str
    file: str
    old: str
    new: str
    caught_by: tuple[str, ...]


PLANTS = (
    Plant(
        "a skipped fence check",
        "stream_agents/worker.py",
        "            if reply.fence == (turn.commit.fence if turn.commit else held.stored):\n",
        "            if reply.fence is not None:\n",
        (
            WORKER + "test_another_writers_revision_voids_the_copy",
            SIMULATION,
        ),
    ),
    Plant(
        "a store that writes behind any fence",
        "stream_agents/memory.py",
        '        if commit and self.fences.get(partition, b"") == commit.expected:\n',
        "        if commit:\n",
        (
            "tests/contract/test_online_stores.py"
            "::test_a_commit_on_another_fence_writes_nothing[memory]",
            SIMULATION,
        ),
    ),
    Plant(
        "a commit before the emit",
        "stream_agents/worker.py",
        '        with self._metrics.step("emit"):\n',
        "        for partition, change in folded.changes.items():\n"
        "            holdings[partition].hold(change)\n"
        "        await self._exchange({}, holdings)\n"
        '        with self._metrics.step("emit"):\n',
        (
            WORKER + "test_a_crash_at_any_step_loses_nothing_and_counts_nothing_twice",
            SIMULATION,
        ),
    ),
    Plant(
        "an ack before the commit",
        "stream_agents/lane.py",
        "        done, self.unacked = self.unacked, events\n",
        "        done, self.unacked = events, []\n",
        (
            "tests/unit/stream_agents/test_rim.py"
            "::test_nothing_is_acknowledged_before_it_is_committed",
        ),
    ),
    Plant(
        "a chunk that stays uncommitted while another lane has more",
        "stream_agents/lane.py",
        "        if idle := [lane for lane in group if not len(lane.inbox)]:\n"
        "            await self._settle(idle)\n",
        "        if not self._waiting(group):\n            await self._settle(group)\n",
        (
            "tests/unit/stream_agents/test_rim.py"
            "::test_a_chunk_is_committed_though_more_comes_for_another_lane",
        ),
    ),
    Plant(
        "a dropped late event",
        "stream_agents/outcomes.py",
        "            ENCODER.encode_lines(part)",
        '            ENCODER.encode_lines([each for each in part if each.outcome != "late"])',
        (ENGINE + "test_a_late_event_has_no_action_and_says_why", SIMULATION),
    ),
    Plant(
        "a late event that is not counted",
        "stream_agents/outcomes.py",
        "        ended[tally.partition, tally.outcome.value] += tally.events\n",
        "        if tally.outcome is not Outcome.LATE:\n"
        "            ended[tally.partition, tally.outcome.value] += tally.events\n",
        (SIMULATION,),
    ),
    Plant(
        "a float summed in another order",
        "models/forest.py",
        "    return 2.0 ** (math.ceil(math.log2(max(most, 1.0))) - 24)\n",
        "    return 2.0 ** (math.ceil(math.log2(max(most, 1.0))) - 60)\n",
        ("tests/unit/models/test_forest.py::test_the_order_of_the_trees_changes_no_bit",),
    ),
    Plant(
        "a cold read without its fence check",
        "stream_agents/worker.py",
        "            if reply.fence == (turn.commit.fence if turn.commit else held.stored):\n",
        "            if reply.fence == (turn.commit.fence if turn.commit else reply.fence):\n",
        (
            WORKER + "test_another_writers_revision_voids_the_copy",
            SIMULATION,
        ),
    ),
    Plant(
        "ids read again without their fence",
        "stream_agents/worker.py",
        "            if stored != held.stored and self._held.get(partition) is held:\n",
        "            if False:\n",
        (WORKER + "test_ids_are_read_again_only_behind_the_fence_that_they_belong_to",),
    ),
    Plant(
        "a partition folded that came back meanwhile",
        "stream_agents/worker.py",
        "[r for r in wanted if self._held.get(r.partition) is before[r.partition]]\n",
        "wanted\n",
        (WORKER + "test_a_partition_that_leaves_while_the_broker_is_asked_is_not_folded",),
    ),
    Plant(
        "a copy put back of a partition that left",
        "stream_agents/worker.py",
        "            if self._held.get(partition) is copy:\n",
        "            if copy:\n",
        (WORKER + "test_a_partition_that_leaves_while_its_copy_is_read_again_stays_away",),
    ),
    Plant(
        "dead lines folded without a look at the fence",
        "stream_agents/worker.py",
        "{record.partition: [] for record in records}\n",
        "{}\n",
        (WORKER + "test_a_record_of_dead_lines_alone_is_not_folded_behind_another_owner",),
    ),
    Plant(
        "an eviction of an uncommitted entity",
        "stream_agents/worker.py",
        "        self.recent.young.update(change.states)\n        self.recent.grow_old()\n",
        "        self.recent.young.update(change.states)\n"
        "        while len(self.recent.young) > max(1, self.recent._half):\n"
        "            dict.pop(self.pending.states, self.recent.young.popitem()[0], None)\n",
        (WORKER + "test_a_chunk_of_more_entities_than_are_cached_is_committed_whole", SIMULATION),
    ),
    Plant(
        "Python's hash for event ids",
        "stream_agents/engine.py",
        "    ids = hash64(chunk.columns.event_id)\n",
        "    ids = np.array([hash(event.event_id) for event in chunk.lines.events], np.int64)\n"
        "    ids = ids.view(np.uint64)\n",
        (SIMULATION, EVERY_PROCESS),
    ),
    Plant(
        "Python's hash for shards of standings",
        "stream_agents/standings.py",
        "    return xxhash.xxh32_intdigest(entity.encode()) % SHARDS\n",
        "    return hash(entity) % SHARDS\n",
        (EVERY_PROCESS,),
    ),
    # The last: kernels are compiled for it, and would be again for those after it.
    Plant(
        "a window off by one",
        "feature_store/windows.py",
        "rows[scratch.tails[w], AT] <= edge",
        "rows[scratch.tails[w], AT] < edge",
        ("tests/unit/feature_store/test_kernel.py::test_a_window_is_open_at_its_start",),
    ),
)
